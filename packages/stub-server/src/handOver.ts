import { F, type Ucred } from "@rsyscall/abi";
import { FileDescriptor, type HandleFailure, Socket } from "@rsyscall/handle";
import { Fd, fcntl, InvalidStateError, Path } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import {
  decodeHello,
  type Greeted,
  type HandshakeError,
  type HelloBytes,
} from "@rsyscall/transport";
import { Effect, type Scope } from "effect";
import type { Place } from "./realProgram.ts";

/*
 * A call goes from one thread of JavaScript to another. Both have the same table of descriptors, but each closes only
 * what it has opened itself, also when it is terminated. So the thread that takes a call over makes duplicates, and
 * tells the other by a word in shared memory, which closes its own then. If that thread was terminated first, a number
 * may mean another file: the kernel confirms that it is the same.
 */

/** A descriptor of the thread that hands a call over, and the file that it stands for. */
interface Offered {
  readonly fd: number;
  readonly dev: bigint;
  readonly ino: bigint;
}

/**
 * A call without an answer, for another thread of JavaScript (worker_threads) of this process: see `StubCall.handOver`.
 * It can be posted as it is.
 */
export interface HandedOver {
  /** The connection of the handshake. */
  readonly socket: Offered;
  /** The memfd that came with the hello. */
  readonly arena: Offered | undefined;
  /** The hello of the caller, as it came. */
  readonly hello: HelloBytes;
  /** The caller's credentials, as the kernel reports them. */
  readonly peer: Ucred;
  /** Where stubs find the server. */
  readonly place: { readonly socket: string; readonly name: string | undefined };
  /** Whether memory may be shared. */
  readonly sharedMemory: boolean;
  /** Milliseconds that a call may be without an answer before the caller is dropped; undefined: for ever. */
  readonly stallLimit: number | undefined;
  /** Of an Int32: one of `Claim`. */
  readonly claim: SharedArrayBuffer;
}

/** What has become of a call that was handed over. */
const Claim = { OFFERED: 0, TAKING: 1, SETTLED: 2 } as const;

const wordOf = ({ claim }: Pick<HandedOver, "claim">): Int32Array => new Int32Array(claim);

const offered = (handle: FileDescriptor): Effect.Effect<Offered, HandleFailure> =>
  Effect.map(handle.fstat(), ({ dev, ino }) => ({ fd: handle.near, dev, ino }));

/** Offers a call to other threads. */
export const offer = (
  { hello, peer, arenaFd }: Greeted,
  socket: Socket,
  { socket: path, name }: Place,
  rest: Pick<HandedOver, "sharedMemory" | "stallLimit">,
): Effect.Effect<HandedOver, HandleFailure> =>
  Effect.gen(function* () {
    return {
      socket: yield* offered(socket),
      arena: arenaFd === undefined ? undefined : yield* offered(arenaFd),
      hello: { fixed: hello.fixed.slice(), rest: hello.rest.slice() },
      peer: { ...peer },
      place: { socket: path.text, name },
      ...rest,
      claim: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
    };
  });

interface AsyncAtomics {
  readonly waitAsync: (
    word: Int32Array,
    index: number,
    value: number,
  ) => { readonly async: boolean; readonly value: Promise<string> | string };
}

/** Waits until another thread has duplicates of the descriptors. */
export const settled = (handed: Pick<HandedOver, "claim">): Effect.Effect<void> =>
  Effect.suspend(() => {
    const word = wordOf(handed);
    const now = Atomics.load(word, 0);
    if (now === Claim.SETTLED) return Effect.void;
    // TypeScript has it in a later library than we are written for.
    const { value } = (Atomics as unknown as AsyncAtomics).waitAsync(word, 0, now);
    return Effect.andThen(
      Effect.promise(() => Promise.resolve(value)),
      settled(handed),
    );
  });

/** Takes an offer back, if it was not taken. */
export const withdraw = (handed: Pick<HandedOver, "claim">): void => {
  Atomics.compareExchange(wordOf(handed), 0, Claim.OFFERED, Claim.SETTLED);
};

const gone = (problem: string) =>
  new InvalidStateError({
    syscall: "takeOver",
    subject: "the call that was handed over",
    problem,
    remedy: "take each call once, while the thread that has handed it over serves",
  });

const acquire = <A extends FileDescriptor>(
  kind: new (task: Thread["task"], fd: Fd) => A,
  { task }: Thread,
  { fd, dev, ino }: Offered,
): Effect.Effect<A, HandleFailure, Scope.Scope> =>
  FileDescriptor.acquire(
    kind,
    task,
    Effect.map(fcntl(task.sysif, Fd(fd), F.DUPFD_CLOEXEC, 0), Fd),
  ).pipe(
    Effect.tap((handle) =>
      Effect.flatMap(handle.fstat(), (found) =>
        found.dev === dev && found.ino === ino
          ? Effect.void
          : Effect.fail(gone("was left by its thread")),
      ),
    ),
    Effect.mapError((error) =>
      error._tag === "SyscallError" ? gone("was left by its thread") : error,
    ),
    Effect.tap((handle) =>
      Effect.sync(() => {
        handle.closeOnFork = true;
      }),
    ),
  );

/** A call that was taken over. */
export interface Taken {
  readonly greeted: Greeted;
  readonly socket: Socket;
  readonly place: Place;
}

/** Takes a call over. The scope closes its descriptors. */
export const take = (
  thread: Thread,
  handed: HandedOver,
): Effect.Effect<Taken, HandleFailure | HandshakeError, Scope.Scope> => {
  const word = wordOf(handed);
  const settle = Effect.sync(() => {
    Atomics.store(word, 0, Claim.SETTLED);
    Atomics.notify(word, 0);
  });
  return Effect.uninterruptible(
    Effect.suspend((): Effect.Effect<Taken, HandleFailure | HandshakeError, Scope.Scope> => {
      if (Atomics.compareExchange(word, 0, Claim.OFFERED, Claim.TAKING) !== Claim.OFFERED)
        return Effect.fail(gone("was taken already, or its server has ended"));
      return Effect.gen(function* () {
        const socket = yield* acquire(Socket, thread, handed.socket);
        const arenaFd =
          handed.arena === undefined
            ? undefined
            : yield* acquire(FileDescriptor, thread, handed.arena);
        const greeted = yield* decodeHello(handed.hello, handed.peer, arenaFd);
        const { name } = handed.place;
        return { greeted, socket, place: { thread, socket: Path.make(handed.place.socket), name } };
      }).pipe(Effect.ensuring(settle));
    }),
  );
};
