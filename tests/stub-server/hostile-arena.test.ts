import { mkdtempSync, readSync, writeFileSync, writeSync } from "node:fs";
import { AF, F, F_SEAL, MFD, O, SOCK } from "@rsyscall/abi";
import { SyscallConnection } from "@rsyscall/connection";
import { connectUnix, type FileDescriptor, Memfd, open, pipe, Socket } from "@rsyscall/handle";
import { execute, it, quietly, start, tempDirectory, turn } from "@rsyscall/harness";
import {
  hello,
  openFds,
  passing,
  serve,
  stillServes,
  waitForMessage,
} from "@rsyscall/harness/stubClient";
import {
  ftruncate,
  getpid,
  SyscallHangup,
  type SyscallInterface,
  call as syscall,
} from "@rsyscall/near";
import type { StubCall } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { OP_COPY } from "@rsyscall/wire";
import { Effect, type Scope } from "effect";
import { assert, describe } from "vitest";

const MIB = 2 ** 20;

/** The address at which an honest stub would have its arena. */
const ADDRESS = 0x7f00_0000_0000n;

const SLOTS = 63;
const SERVER_SLEEPS = 0;
const CLIENT_SLEEPS = 4;

/** A hello that offers an arena. */
const offering = (size: number | bigint = MIB, address: bigint = ADDRESS): Uint8Array =>
  hello((view) => {
    view.setBigUint64(176, address, true);
    view.setBigUint64(184, BigInt(size), true);
  });

/** Makes a memfd as a stub does, or a bad one. */
const memory = ({ size = MIB, seals = F_SEAL.SHRINK | F_SEAL.GROW, flags = 0 } = {}) =>
  Effect.gen(function* () {
    const { task } = yield* LocalThread;
    const memfd = yield* Memfd.make(task, "arena", MFD.ALLOW_SEALING | flags);
    yield* memfd.truncate(size);
    if (seals !== 0) yield* memfd.fcntl(F.ADD_SEALS, seals);
    return memfd;
  });

/** Whether the welcome of a client offers a ring, and not sockets. */
const hasRing = ({
  bytes,
  fds,
}: {
  readonly bytes: Uint8Array;
  readonly fds: ReadonlyArray<FileDescriptor>;
}): boolean => {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  assert.deepEqual([bytes.length, view.getUint32(12, true)], [24, 0], "accepted");
  const flags = view.getUint32(20, true);
  assert.equal(fds.length, flags === 0 ? 4 : 3);
  return flags === 1;
};

/** The ring of a lying client, which accesses it through its memfd. */
class LyingRing {
  readonly fd: number;
  /** The next call to answer. */
  next = 0;

  constructor(memfd: FileDescriptor) {
    this.fd = memfd.near;
  }

  word(at: number): number {
    const word = Buffer.alloc(4);
    readSync(this.fd, word, 0, 4, at);
    return word.readUInt32LE();
  }

  set(at: number, value: number): void {
    const word = Buffer.alloc(4);
    word.writeUInt32LE(value);
    writeSync(this.fd, word, 0, 4, at);
  }

  /** Whether a call has its request. */
  isAsked(call = this.next): boolean {
    return this.word(slotOf(call)) === 2 * call + 1;
  }

  /** Marks a call as done, whether it was made or not. */
  mark(call: number, result: number | bigint): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(result));
    writeSync(this.fd, bytes, 0, 8, slotOf(call) + 56);
    this.set(slotOf(call), 2 * call + 2);
  }
}

const slotOf = (call: number): number => 64 + 64 * (call % SLOTS);

/** A client with a ring: the ring, and the socket for bells. */
const lying = (socket: string) =>
  Effect.gen(function* () {
    const memfd = yield* memory();
    const passed = yield* passing(socket, offering(), [memfd]);
    assert.isTrue(hasRing(passed));
    const [bells] = passed.fds as [FileDescriptor];
    return {
      memfd,
      bells,
      fds: passed.fds,
      ring: new LyingRing(memfd),
      ringBell: bells.writeAllBytes(Uint8Array.of(0)),
    };
  });

/** The name of the lying client in argv[0]. */
const isLying = (call: StubCall): boolean => call.argv[0] === "name";

/** A server that runs a handler for the lying client, and serves the others. */
const serveLiar = <E>(handler: (call: StubCall) => Effect.Effect<unknown, E, Scope.Scope>) =>
  quietly(serve({}, (call) => (isLying(call) ? Effect.as(handler(call), 0) : Effect.succeed(3))));

describe("an arena that is none", () => {
  const { SHRINK, GROW } = F_SEAL;
  const size = MIB;
  const task = Effect.map(LocalThread, (thread) => thread.task);
  const file = (path: string, flags: number) =>
    Effect.flatMap(task, (local) => Effect.map(open(local, path, flags), (fd) => [fd]));
  const one = (options: Parameters<typeof memory>[0]) =>
    Effect.map(memory(options), (memfd) => [memfd]);

  type Offer = readonly [
    fds: Effect.Effect<ReadonlyArray<FileDescriptor>, unknown, Scope.Scope | LocalThread>,
    hello?: Uint8Array,
  ];
  const huge = (length: bigint) =>
    Effect.gen(function* () {
      const { sysif } = yield* task;
      const memfd = yield* memory({ size: 0, seals: 0 });
      yield* ftruncate(sysif, memfd.near, length);
      yield* memfd.fcntl(F.ADD_SEALS, SHRINK | GROW);
      return [memfd];
    });

  const offers: Record<string, Offer> = {
    "without seals": [one({ seals: 0 })],
    "sealed against growing only": [one({ seals: GROW })],
    "sealed against shrinking only": [one({ seals: SHRINK })],
    "of more bytes than a stub has": [huge(2n ** 30n + 4096n)],
    "of 2^60 bytes of memory": [huge(2n ** 60n)],
    "of 2^63 - 1 bytes of memory": [huge(2n ** 63n - 1n)],
    "smaller than it is said to be": [one({ size: MIB - 4096 })],
    "of no byte": [one({ size: 0 })],
    "too small for a window": [one({ size: 4096 }), offering(4096)],
    "sealed against writing": [one({ seals: SHRINK | GROW | 0x10 /* FUTURE_WRITE */ })],
    "of huge pages, of which there may be none": [
      one({ size: 2 * MIB, flags: 4 /* HUGETLB */ }),
      offering(2 * MIB),
    ],
    "at an address that is no page's": [one({ size }), offering(size, ADDRESS + 1n)],
    "of a size that is no page's": [one({ size }), offering(size - 1)],
    "of 2^63 bytes": [one({ size }), offering(2n ** 63n)],
    "of 2^64 - 4096 bytes": [one({ size }), offering(2n ** 64n - 4096n)],
    "at an address that no number holds": [one({ size }), offering(size, 2n ** 63n)],
    "that ends beyond the last address": [one({ size }), offering(size, 2n ** 64n - 4096n)],
    "of size 0": [one({ size }), offering(0)],
    "without a descriptor": [Effect.succeed([]), offering(size)],
    "that is /dev/zero": [file("/dev/zero", O.RDWR)],
    "that is a directory": [file("/tmp", O.RDONLY)],
    "that is this program": [file("/proc/self/exe", O.RDONLY)],
    "that is a regular file": [
      Effect.flatMap(tempDirectory, (directory) => {
        const path = `${mkdtempSync(`${directory}/x`)}/file`;
        writeFileSync(path, new Uint8Array(MIB));
        return file(path, O.RDWR);
      }),
    ],
    "that is a file in shared memory": [
      Effect.flatMap(task, (local) =>
        Effect.map(open(local, "/dev/shm", O.RDWR | O.TMPFILE, 0o600), (fd) => [fd]),
      ),
    ],
    "that is a pipe": [
      Effect.flatMap(task, (local) => Effect.map(pipe(local), ([reader]) => [reader])),
    ],
    "that is a socket": [Effect.flatMap(task, (local) => Socket.pair(local))],
    "that cannot be read": [
      Effect.flatMap(memory(), (memfd) => file(`/proc/self/fd/${memfd.near}`, O.PATH)),
    ],
    "that can only be read": [
      Effect.flatMap(memory(), (memfd) => file(`/proc/self/fd/${memfd.near}`, O.RDONLY)),
    ],
  };
  for (const [name, [fds, bytes = offering()]] of Object.entries(offers))
    it(`${name} is left alone: its client is served over sockets`, function* () {
      const { path, socket } = yield* serve();
      const before = openFds();
      yield* Effect.scoped(
        Effect.gen(function* () {
          const passed = yield* passing(socket, bytes, yield* fds);
          assert.isFalse(hasRing(passed));
        }),
      );
      yield* stillServes(path, before);
    });

  it("comes with hundreds of descriptors: none of them stays in the server", function* () {
    const { path, socket } = yield* serve();
    const before = openFds();
    const { task } = yield* LocalThread;
    yield* Effect.scoped(
      Effect.gen(function* () {
        const [reader, writer] = yield* pipe(task);
        const fds = [yield* memory(), ...Array<FileDescriptor>(250).fill(writer)];
        yield* passing(socket, offering(), fds);
        yield* writer.close();
        // No writer is left, so this is the end of the pipe.
        const afd = yield* (yield* LocalThread).makeAfd(reader);
        assert.equal((yield* afd.readBytes()).length, 0);
      }),
    );
    yield* stillServes(path, before);
  });

  it("comes behind the first byte, or with every byte: it is not taken", function* () {
    const { path, socket } = yield* serve();
    const before = openFds();
    const { task } = yield* LocalThread;
    for (const cut of [1, 20, 192])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const [reader, writer] = yield* pipe(task);
          const connection = yield* Socket.make(task, AF.UNIX, SOCK.STREAM);
          yield* connectUnix(connection, socket);
          const bytes = offering();
          yield* connection.writeAllBytes(bytes.subarray(0, cut));
          // The server has begun to read.
          for (let i = 0; i < 5; i++) yield* turn;
          for (const byte of bytes.subarray(cut))
            yield* connection.sendFds(Uint8Array.of(byte), [writer]);
          assert.isFalse(hasRing(yield* waitForMessage(connection)));
          yield* writer.close();
          const afd = yield* (yield* LocalThread).makeAfd(reader);
          assert.equal((yield* afd.readBytes()).length, 0);
        }),
      );
    yield* stillServes(path, before);
  });

  it("is closed when its client is refused, or vanishes before it has said everything", function* () {
    const { path, socket } = yield* serve();
    const before = openFds();
    const { task } = yield* LocalThread;
    for (const bytes of [hello((view) => view.setUint32(8, 9, true)), offering().subarray(0, 100)])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* Socket.make(task, AF.UNIX, SOCK.STREAM);
          yield* connectUnix(connection, socket);
          yield* connection.sendFds(bytes, [yield* memory()]);
        }),
      );
    yield* stillServes(path, before);
  });
});

describe("a client with a ring", () => {
  it("may mark calls as done before they were made: they are made, and waited for", function* () {
    const results: Array<number> = [];
    const { path, socket } = yield* serveLiar((call) =>
      Effect.gen(function* () {
        for (let i = 0; i < 2; i++) results.push(yield* getpid(call.thread.task.sysif));
      }),
    );
    const before = openFds();
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { ring, ringBell } = yield* lying(socket);
        // Before the first call, it may be; afterwards, it is too late for this one.
        for (let call = 2; call < SLOTS; call++) ring.mark(call, 666);
        while (!ring.isAsked(0)) yield* turn;
        yield* ringBell;
        yield* turn;
        assert.deepEqual(results, []);
        for (const call of [0, 1]) {
          while (!ring.isAsked(call)) yield* turn;
          ring.mark(call, 42 + call);
          yield* ringBell;
        }
        while (results.length < 2) yield* turn;
        assert.deepEqual(results, [42, 43]);
      }),
    );
    yield* stillServes(path, before);
  });

  it("may give any result: it becomes an error or a number, and the server goes on", function* () {
    const exits: Array<string> = [];
    const { path, socket } = yield* serveLiar((call) =>
      Effect.gen(function* () {
        const { thread } = call;
        const reader = thread.stdin;
        for (let i = 0; i < 200; i++) {
          const use = [
            getpid(thread.task.sysif),
            reader.readBytes(100),
            Effect.scoped(pipe(thread.task)),
            Effect.scoped(open(thread.task, "/", O.RDONLY)),
            reader.fcntl(F.GETFL),
          ][i % 5] as Effect.Effect<unknown, unknown>;
          exits.push((yield* Effect.exit(use))._tag);
        }
      }),
    );
    const before = openFds();
    const values = [0, 1, -1, -4095, -4096, 2 ** 31, -(2 ** 31), 2 ** 40, 2 ** 53, 100_000];
    const wild = [...values, 2n ** 63n - 1n, -(2n ** 63n)];
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { ring, ringBell } = yield* lying(socket);
        while (exits.length < 200) {
          for (; ring.isAsked(); ring.next++)
            ring.mark(ring.next, wild[ring.next % wild.length] as number);
          yield* ringBell;
          yield* turn;
        }
      }),
    );
    assert.include(exits, "Success");
    assert.include(exits, "Failure");
    yield* stillServes(path, before);
  });

  it("may say all the time that it sleeps, and read no bell: the controller does not block", function* () {
    let done = 0;
    const count = 2000;
    const { path, socket } = yield* serveLiar((call) =>
      Effect.gen(function* () {
        for (; done < count; done++) assert.equal(yield* getpid(call.thread.task.sysif), done);
      }),
    );
    const before = openFds();
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { ring, ringBell } = yield* lying(socket);
        while (done < count) {
          ring.set(SERVER_SLEEPS, 1);
          if (ring.isAsked()) {
            ring.mark(ring.next, ring.next);
            ring.next++;
            yield* ringBell;
          }
          yield* turn;
        }
      }),
    );
    yield* stillServes(path, before);
  });

  it("may never answer, nor wake us: others are served meanwhile", function* () {
    const failures: Array<unknown> = [];
    const { path, socket } = yield* serveLiar((call) =>
      Effect.gen(function* () {
        const many = Array.from({ length: 100 }, () => getpid(call.thread.task.sysif));
        failures.push(yield* Effect.flip(Effect.all(many, { concurrency: "unbounded" })));
      }),
    );
    const before = openFds();
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { ring } = yield* lying(socket);
        while (!ring.isAsked(SLOTS - 1)) yield* turn;
        for (let i = 0; i < 3; i++) {
          // It also clears the flag that the controller sleeps.
          ring.set(CLIENT_SLEEPS, 0);
          assert.equal((yield* execute(path)).status, 3);
        }
        assert.deepEqual(failures, []);
      }),
    );
    yield* stillServes(path, before);
    assert.instanceOf(failures[0], SyscallHangup);
  });

  it("may punch holes into memory that is in use: there are zeros, and no SIGBUS", function* () {
    const { task } = yield* LocalThread;
    let rounds = 0;
    let punch: Effect.Effect<unknown, unknown> = Effect.never;
    const { path, socket } = yield* serveLiar((call) =>
      Effect.gen(function* () {
        for (; rounds < 50; rounds++)
          yield* Effect.scoped(
            Effect.gen(function* () {
              for (const size of [100, 10_000, 300_000]) {
                const bytes = new Uint8Array(size).fill(7);
                const pointer = yield* call.thread.ptr(bytes);
                assert.equal(Buffer.compare(yield* pointer.read(), bytes), 0);
                yield* punch;
                assert.equal(Buffer.compare(yield* pointer.read(), new Uint8Array(size)), 0);
              }
            }),
          );
      }),
    );
    const before = openFds();
    yield* Effect.scoped(
      Effect.gen(function* () {
        const memfd = yield* memory();
        const whole = syscall(task.sysif, "fallocate", memfd.near, 3, 0, MIB);
        punch = whole;
        assert.isTrue(hasRing(yield* passing(socket, offering(), [memfd])));
        while (rounds < 50) yield* turn;
        // It is sealed: no process can make it smaller.
        const error = yield* Effect.flip(memfd.truncate(4096));
        assert.deepInclude({ ...error }, { syscall: "ftruncate", errno: "EPERM" });
        assert.deepInclude(
          { ...(yield* Effect.flip(memfd.truncate(0))) },
          { syscall: "ftruncate", errno: "EPERM" },
        );
        punch = Effect.void;
      }),
    );
    yield* stillServes(path, before);
  });

  it("may forbid later on to write its memory: that is its own misfortune", function* () {
    const seen: Array<string> = [];
    let seal: Effect.Effect<unknown, unknown> = Effect.never;
    const { path, socket } = yield* serveLiar((call) =>
      Effect.gen(function* () {
        yield* call.thread.ptr(new Uint8Array(200_000));
        yield* seal;
        for (const size of [100, 200_000])
          seen.push((yield* Effect.exit(call.thread.ptr(new Uint8Array(size))))._tag);
      }),
    );
    const before = openFds();
    yield* Effect.scoped(
      Effect.gen(function* () {
        const memfd = yield* memory();
        seal = memfd.fcntl(F.ADD_SEALS, 0x10 /* FUTURE_WRITE */);
        assert.isTrue(hasRing(yield* passing(socket, offering(), [memfd])));
        while (seen.length < 2) yield* turn;
      }),
    );
    assert.deepEqual(seen, ["Success", "Failure"]);
    yield* stillServes(path, before);
  });

  it("may close its bells in the middle of a call", function* () {
    const failures: Array<unknown> = [];
    const { path, socket } = yield* serveLiar((call) =>
      Effect.map(Effect.flip(getpid(call.thread.task.sysif)), (error) => failures.push(error)),
    );
    const before = openFds();
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { ring, bells } = yield* lying(socket);
        while (!ring.isAsked()) yield* turn;
        yield* bells.close();
        while (failures.length === 0) yield* turn;
        assert.instanceOf(failures[0], SyscallHangup);
        // The memory is still mapped here, and no longer read.
        writeSync(ring.fd, new Uint8Array(4096).fill(255), 0, 4096, 0);
      }),
    );
    yield* stillServes(path, before);
  });
});

/** Runs a script in a process that has the descriptors of a lying client, from 3 on. */
const beside = (script: string, fds: ReadonlyArray<FileDescriptor>) =>
  Effect.gen(function* () {
    const running = yield* start(process.execPath, ["-e", script], {
      stdio: ["pipe", "pipe", "inherit", ...fds.map(({ near }) => near)],
    });
    yield* running.line((line) => line === "ready");
    return running;
  });

describe("a client in a process of its own", () => {
  it("may flood the bells: others are served meanwhile", function* () {
    const { path, socket } = yield* serveLiar((call) => getpid(call.thread.task.sysif));
    const before = openFds();
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { bells } = yield* lying(socket);
        // Together they are faster than any reader.
        const flooding = beside(
          `console.log("ready");
           const much = Buffer.alloc(65536);
           for (;;) require("fs").writeSync(3, much);`,
          [bells],
        );
        const flooders = yield* Effect.replicateEffect(flooding, 3);
        for (let i = 0; i < 3; i++) assert.equal((yield* execute(path)).status, 3);
        for (const flooder of flooders) yield* flooder.kill("SIGKILL");
      }),
    );
    yield* stillServes(path, before);
  }, 5000);

  it("may scribble all over the ring while it is in use, and answer at random", function* () {
    let used = 0;
    const { path, socket } = yield* serveLiar((call) =>
      Effect.gen(function* () {
        const { thread } = call;
        const { sysif } = thread.task;
        const use = (effect: Effect.Effect<unknown, unknown, Scope.Scope>) =>
          Effect.gen(function* () {
            for (;;) {
              const exit = yield* Effect.exit(Effect.scoped(effect));
              used++;
              if ((yield* Effect.exit(getpid(sysif)))._tag === "Failure" && hasEnded(sysif))
                return exit;
              yield* Effect.yieldNow;
            }
          });
        const uses = [
          use(getpid(sysif)),
          use(open(thread.task, "/", O.RDONLY)),
          use(pipe(thread.task)),
          use(thread.stdin.readBytes(100)),
          use(thread.fork()),
        ];
        for (const size of [1000, 100_000])
          uses.push(use(Effect.flatMap(thread.ptr(new Uint8Array(size)), (it) => it.read())));
        yield* Effect.all(uses, { concurrency: "unbounded" });
      }),
    );
    const before = openFds();
    for (const copies of [true, false, true, false])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { memfd, fds } = yield* lying(socket);
          const scribbling = yield* beside(scribble(copies), [memfd, ...fds]);
          // The process has the only copies: its end is the client's.
          for (const fd of fds) yield* fd.close();
          assert.equal((yield* scribbling.ended).status, 0);
          assert.equal((yield* execute(path)).status, 3);
        }),
      );
    assert.isAbove(used, 20);
    yield* stillServes(path, before);
  });
});

const hasEnded = (sysif: SyscallInterface): boolean =>
  SyscallConnection.of(sysif)?.hasEnded ?? false;

/**
 * Answers requests with random results, and changes random bytes. A failed copy into memory ends the
 * connection, so it answers most copies with success to get further.
 */
const scribble = (copies: boolean) => `
const { readSync, writeSync } = require("fs");
const { randomFillSync } = require("crypto");
// A client that was hung up on has done all that it can.
process.on("uncaughtException", ({ code }) => process.exit(code === "EPIPE" || code === "ECONNRESET" ? 0 : 1));
console.log("ready");
const page = Buffer.alloc(4096), byte = Buffer.alloc(1), at = Buffer.alloc(2);
const wild = [0n, 1n, 3n, -1n, -22n, -4096n, 2n ** 31n, -(2n ** 31n), 2n ** 40n, 2n ** 63n - 1n, -(2n ** 63n)];
for (let i = 0; i < 20000; i++) {
  readSync(3, page, 0, 4096, 0);
  for (let slot = 64; slot < 4096; slot += 64) {
    const state = page.readUInt32LE(slot);
    if (state % 2 === 0) continue;
    const isCopy = page.readUInt32LE(slot + 4) % 2 ** 31 === ${OP_COPY};
    page.writeBigInt64LE(isCopy && ${copies} ? 0n : wild[(i + slot / 64) % wild.length], slot + 56);
    writeSync(3, page, slot + 56, 8, slot + 56);
    page.writeUInt32LE((state + 1) >>> 0, slot);
    writeSync(3, page, slot, 4, slot);
  }
  page.writeUInt32LE(1, 0);
  writeSync(3, page, 0, 4, 0);
  // One byte of a request: it stays incomplete, and is never answered.
  if (i > 15000 && i % 4 === 0) {
    randomFillSync(byte);
    randomFillSync(at);
    writeSync(3, byte, 0, 1, at.readUInt16LE() % 4096);
  }
  if (i % 8 === 0) writeSync(4, byte);
}
`;
