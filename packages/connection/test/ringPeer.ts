import { Bytes, x86_64 } from "@rsyscall/abi";
import { AsyncFileDescriptor } from "@rsyscall/epoller";
import { Socket } from "@rsyscall/handle";
import { type DirectCalls, Fd, type LocalSyscallInterface } from "@rsyscall/near";
import { LocalThread } from "@rsyscall/thread";
import { RING_SIZE } from "@rsyscall/wire";
import { Effect } from "effect";
import { ownMemory, SharedMemoryTransport, SyscallRing } from "../src/index.ts";

export const SLOTS = 63;

/** A request as the server finds it. */
export interface Request {
  readonly number: number;
  readonly isPrompt: boolean;
  readonly args: ReadonlyArray<number>;
}

/** The server's end of a ring, played by the test: ring.h. */
export class RingServer {
  readonly #view: DataView;
  readonly #words: Int32Array;
  /** The next request to take, and the next one to answer. */
  #taken = 0;
  #answered = 0;

  constructor(buffer: ArrayBuffer) {
    this.#view = new DataView(buffer);
    this.#words = new Int32Array(buffer);
  }

  get sleeps(): boolean {
    return this.#words[0] !== 0;
  }

  set sleeps(sleeps: boolean) {
    this.#words[0] = Number(sleeps);
  }

  get clientSleeps(): boolean {
    return this.#words[1] !== 0;
  }

  /** Clears the client's wish to be woken. */
  takeClientSleep(): boolean {
    return Atomics.exchange(this.#words, 1, 0) !== 0;
  }

  set cpu(cpu: number) {
    this.#words[2] = cpu;
  }

  get clientCpu(): number {
    return this.#words[3] as number;
  }

  /** How many requests were taken and not answered. */
  get unanswered(): number {
    return this.#taken - this.#answered;
  }

  /** The next request; undefined if there is none yet. */
  take(): Request | undefined {
    const slot = slotOf(this.#taken);
    if (this.#view.getUint32(slot, true) !== 2 * this.#taken + 1) return undefined;
    this.#taken++;
    const number = this.#view.getUint32(slot + 4, true);
    return {
      number: number & 0x7fff_ffff,
      isPrompt: number >= 0x8000_0000,
      args: Array.from({ length: 6 }, (_, i) =>
        Number(this.#view.getBigInt64(slot + 8 + 8 * i, true)),
      ),
    };
  }

  /** All requests that are there. */
  takeAll(): Array<Request> {
    const requests: Array<Request> = [];
    for (let next = this.take(); next; next = this.take()) requests.push(next);
    return requests;
  }

  /** Answers the oldest request that was taken. */
  answer(result: number): void {
    const slot = slotOf(this.#answered);
    this.#view.setBigInt64(slot + 56, BigInt(result), true);
    this.#view.setUint32(slot, 2 * ++this.#answered, true);
  }
}

const slotOf = (call: number): number => 64 + 64 * (call % SLOTS);

/** A connection through a ring whose other end, `server` and the socket `peer`, is played by the test. */
export const connectRing = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const { task } = thread;
  const epoller = yield* thread.epoller();
  let holds = 0;
  const hold = epoller.hold.bind(epoller);
  const letGo = epoller.letGo.bind(epoller);
  epoller.hold = () => {
    holds++;
    hold();
  };
  epoller.letGo = () => {
    holds--;
    letGo();
  };
  const [ours, theirs] = yield* Socket.pair(task);
  const peer = yield* AsyncFileDescriptor.make(epoller, theirs);
  const page = yield* task.malloc(Bytes, 2 * RING_SIZE);
  const address = Math.ceil((yield* page.address()) / RING_SIZE) * RING_SIZE;
  const memory = yield* ownMemory.map(address as never, RING_SIZE);
  new Uint8Array(memory.buffer).fill(0);
  const server = new RingServer(memory.buffer);
  server.cpu = -1;
  const sysif = yield* SyscallRing.make(
    {
      abi: x86_64,
      socket: ours,
      epoller,
      serverFd: Fd(0),
      memory: (connection) => new SharedMemoryTransport(connection, ownMemory, task.allocator),
    },
    memory,
  );
  return {
    sysif,
    server,
    peer,
    ours,
    /** How often the connection keeps the event loop going: at most once. */
    holds: () => holds,
    /** What the server does when it has answered: wakes the client, if it is asked to. */
    bell: Effect.suspend(() =>
      server.takeClientSleep() ? peer.sendAllBytes(Uint8Array.of(0)) : Effect.void,
    ),
  };
});

/**
 * A server that never sleeps longer than the client needs to ask: whenever the client wakes it, it
 * answers before the client goes on. So results are there as they are from a server on another CPU.
 */
export const answering = (
  server: RingServer,
  ours: Socket,
  onBell: () => void,
): Effect.Effect<void, never, never> =>
  Effect.map(Effect.orDie(ours.borrow(ours.task)), (fd) => {
    const local = ours.task.sysif as LocalSyscallInterface;
    const sendto = local.abi.syscallNumber("sendto");
    const submit = local.submit.bind(local);
    const hooked: DirectCalls["submit"] = (number, a, b, c, d, e, f) => {
      if (number !== sendto || a !== fd) return submit(number, a, b, c, d, e, f);
      onBell();
      server.sleeps = true;
      return 1;
    };
    local.submit = hooked as never;
    server.sleeps = true;
  });
