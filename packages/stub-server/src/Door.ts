import { POLL } from "@rsyscall/abi";
import type { SyscallConnection } from "@rsyscall/connection";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import { type HandleFailure, type IoFailure, pollNow, Socket } from "@rsyscall/handle";
import {
  catchErrno,
  InvalidStateError,
  LocalSyscallInterface,
  SyscallError,
  SyscallHangup,
} from "@rsyscall/near";
import type { Ancestor, Environment, Thread } from "@rsyscall/thread";
import {
  type Bootstrapped,
  bootstrapThread,
  type Greeted,
  goneThread,
  type HandshakeError,
  passingTransport,
  processing,
  turnAway,
} from "@rsyscall/transport";
import { PROCESSING } from "@rsyscall/wire";
import { Cause, Effect, Exit, Option, Scope } from "effect";
import { type HandedOver, offer, withdraw } from "./handOver.ts";
import { problemOf } from "./logs.ts";
import type { Place } from "./realProgram.ts";

/** The connection of a handshake. */
export interface DoorConnection {
  readonly socket: Socket;
  /** The same, for waiting. It is registered at the first use. */
  readonly afd: Effect.Effect<AsyncFileDescriptor<Socket>, HandleFailure>;
  /** Sends without waiting: the number of bytes that the socket has taken, or -errno. Undefined if that takes an Effect. */
  readonly sendNow: (bytes: Uint8Array) => number | undefined;
  /** Closes it, and the memfd that came with the hello. Gives an effect only where something is left to do. */
  readonly release: () => Effect.Effect<void> | undefined;
}

/** What a door needs of its server, or of the thread that has taken the call over. */
export interface DoorFields {
  readonly greeted: Greeted;
  readonly connection: DoorConnection;
  readonly place: Place;
  /** Does the bootstrap. */
  readonly thread: Thread;
  readonly environ: Environment;
  readonly sharedMemory: boolean;
  /** In milliseconds: see `ListenOptions`. */
  readonly stallLimit: number | undefined;
  /** Of the call: its Thread lives in it. */
  readonly scope: Scope.Scope;
  /** Called once: with the connection of the Thread, or without one when the call has ended. */
  readonly onSettled: (connection: SyscallConnection | undefined) => void;
}

type State = "Waiting" | "Opening" | "Open" | "Answered" | "HandedOver" | "Left";

/** Milliseconds until a caller hears that its handler is at work: the shortest `stubTimeout` is a second. */
const PROCESSING_AFTER = 250;

/** Bytes that are sent at a time: less than a socket takes at once. */
const PIECE_SIZE = 64 * 1024;

/**
 * Where a caller waits that has said hello. It gets one answer: it becomes a Thread, or ends alone by a reply or as
 * another program (docs/protocol.md, "Answers"), or it is handed over, or it is left without an answer, and hears that
 * the server has hung up.
 */
export class Door {
  /** What the caller has said. */
  readonly description: Greeted["description"];
  /** The caller's credentials, as the kernel reports them. */
  readonly peer: Greeted["peer"];
  readonly place: Place;
  readonly environ: Environment;
  /** Does the bootstrap. */
  readonly driver: Thread;
  readonly #abi: Greeted["abi"];
  /** What is needed until the caller has become a Thread, and not kept any longer. */
  #waiting: DoorFields | undefined;
  #state: State = "Waiting";
  #bootstrapped: Bootstrapped | undefined;
  #failure: Cause.Cause<HandleFailure | HandshakeError> | undefined;
  /** Whether the caller has ended, or is out of reach, as far as this door has noticed. */
  #hasHungUp = false;
  #isAnswered = false;
  #handed: HandedOver | undefined;
  #gone: Thread | undefined;
  #watchers: ReadonlyArray<() => void> = NO_WATCHERS;
  #processing: NodeJS.Timeout | undefined;

  constructor(fields: DoorFields) {
    const { greeted, place, environ, thread } = fields;
    this.description = greeted.description;
    this.peer = greeted.peer;
    this.place = place;
    this.environ = environ;
    this.driver = thread;
    this.#abi = greeted.abi;
    this.#waiting = fields;
    // A stub would take a handler that waits for a server that is blocked, and give up.
    this.#processing = setTimeout(() => {
      if (this.takes(PROCESSING)) this.#fields.connection.sendNow(processing);
    }, PROCESSING_AFTER).unref();
  }

  get #fields(): DoorFields {
    if (this.#waiting === undefined) throw new Error("this door has become a Thread");
    return this.#waiting;
  }

  get isWaiting(): boolean {
    return this.#state === "Waiting";
  }

  /** Whether the handler has given an answer, so that it gives no status. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** What `handOver` gave. */
  get handed(): HandedOver | undefined {
    return this.#handed;
  }

  /** Whether a Thread can be made without waiting: all its calls are made in this process. */
  get opensAtOnce(): boolean {
    const { thread, connection } = this.#fields;
    const { socket } = connection;
    return thread.task === socket.task && LocalSyscallInterface.of(thread.task.sysif) !== undefined;
  }

  /** The Thread, if it was made. */
  get opened(): Thread | undefined {
    return this.#bootstrapped?.thread;
  }

  /** Why no Thread could be made, if that was tried. */
  get failure(): Cause.Cause<HandleFailure | HandshakeError> | undefined {
    return this.#failure;
  }

  /** Whether the process has ended, or is out of reach, as far as that is known. */
  get hasEnded(): boolean {
    return this.#bootstrapped?.hasEnded() ?? this.#hasHungUp;
  }

  /** The Thread, which is made now if there is none yet. One that is gone if there can be none. */
  get thread(): Thread {
    if (this.#bootstrapped !== undefined) return this.#bootstrapped.thread;
    if (this.#state === "Waiting") {
      const exit = Effect.runSyncExit(this.open());
      if (Exit.isSuccess(exit)) return exit.value;
    }
    const { description } = this;
    this.#gone ??= goneThread(
      { abi: this.#abi, description },
      this.driver.connection,
      this.environ,
      () => `process ${description.pid}, which ${this.#problem},`,
      this.#failure && Cause.squash(this.#failure),
    );
    return this.#gone;
  }

  /** Makes the Thread, or gives the one that there is. */
  open(): Effect.Effect<Thread, HandleFailure | HandshakeError> {
    return Effect.suspend((): Effect.Effect<Thread, HandleFailure | HandshakeError> => {
      if (this.#bootstrapped !== undefined) return Effect.succeed(this.#bootstrapped.thread);
      if (this.#failure !== undefined) return Effect.failCause(this.#failure);
      if (this.#state !== "Waiting") return Effect.fail(this.#refusal("thread"));
      this.#enter("Opening");
      const { connection, onSettled } = this.#fields;
      return Effect.uninterruptibleMask((restore) =>
        restore(this.#bootstrap()).pipe(
          Effect.tap((bootstrapped) =>
            Effect.sync(() => {
              this.#bootstrapped = bootstrapped;
              this.#enter("Open");
              onSettled(bootstrapped.connection);
              this.#waiting = undefined;
            }),
          ),
          Effect.onError((cause) =>
            Effect.suspend(() => {
              this.#failure = cause;
              this.#enter("Left");
              onSettled(undefined);
              return Cause.hasInterrupts(cause)
                ? Effect.void
                : turnAway(connection.socket, problemOf(cause));
            }),
          ),
          Effect.ensuring(Effect.suspend(() => connection.release() ?? Effect.void)),
          Effect.map(({ thread }) => thread),
        ),
      );
    });
  }

  #bootstrap(): Effect.Effect<Bootstrapped, HandleFailure | HandshakeError> {
    const { thread, place, connection, greeted, environ, sharedMemory, scope } = this.#fields;
    return Effect.scoped(
      Effect.flatMap(socketIn(thread, place.thread, connection.socket), (inThread) => {
        const passing = passingTransport(thread.connection, inThread, sharedMemory);
        const ancestor = ancestorOf(place.thread, greeted);
        const transport = { ...passing, ancestor, pid: ancestor?.pid };
        return Scope.provide(bootstrapThread(transport, greeted, environ), scope);
      }),
    );
  }

  /** Whether a welcome of this status can be sent: the caller waits for one, and takes it. */
  takes(status: number): boolean {
    return this.#state === "Waiting" && (this.description.answers >> BigInt(status)) % 2n === 1n;
  }

  /**
   * Sends the only answer, and hangs up. Completes when the socket has taken all of it. SyscallHangup if the caller is
   * gone.
   *
   * @param pieces are sent one after the other
   */
  answer(syscall: string, pieces: ReadonlyArray<Uint8Array>): Effect.Effect<void, HandleFailure> {
    return Effect.suspend(() => {
      if (this.#state !== "Waiting") return Effect.fail(this.#refusal(syscall));
      this.#isAnswered = true;
      this.#enter("Answered");
      const [first = new Uint8Array(0), ...others] = pieces;
      const sent = this.#fields.connection.sendNow(first);
      if (sent === first.length && others.length === 0) return this.release() ?? Effect.void;
      const rest = sent === undefined || sent < 0 ? pieces : [first.subarray(sent), ...others];
      return this.#sendSlowly(rest).pipe(
        catchErrno(["EPIPE", "ECONNRESET"], (cause) => {
          this.#hasHungUp = true;
          return Effect.fail(new SyscallHangup({ syscall, cause, byTask: true }));
        }),
        Effect.ensuring(this.leave()),
      );
    });
  }

  /** Sends as fast as the caller reads. */
  #sendSlowly(pieces: ReadonlyArray<Uint8Array>): Effect.Effect<void, HandleFailure> {
    const { connection, stallLimit } = this.#fields;
    return Effect.flatMap(connection.afd, (socket) =>
      Effect.forEach(
        pieces,
        (piece) => {
          const parts: Array<Uint8Array> = [];
          for (let at = 0; at < piece.length; at += PIECE_SIZE)
            parts.push(piece.subarray(at, at + PIECE_SIZE));
          return Effect.forEach(
            parts,
            (part) =>
              stallLimit === undefined
                ? socket.sendAllBytes(part)
                : Effect.timeoutOrElse(socket.sendAllBytes(part), {
                    duration: stallLimit,
                    orElse: (): Effect.Effect<void, IoFailure> =>
                      Effect.fail(
                        SyscallError.of(
                          "sendto",
                          "EPIPE",
                          `a caller that has read nothing for ${stallLimit} ms`,
                        ),
                      ),
                  }),
            { discard: true },
          );
        },
        { discard: true },
      ),
    );
  }

  /** Ends the call if the kernel says that the caller is gone: see `WaitingCaller`. */
  look(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#state !== "Waiting") return Effect.void;
      return Effect.flatMap(
        Effect.option(pollNow(this.#fields.connection.socket, POLL.RDHUP)),
        (events) => {
          if (Option.isNone(events) || events.value === 0 || this.#state !== "Waiting")
            return Effect.void;
          this.#hasHungUp = true;
          return this.leave();
        },
      );
    });
  }

  /** Hangs up, if the caller waits for an answer: it exits with 69. Otherwise does nothing. */
  leave(): Effect.Effect<void> {
    return Effect.suspend(() => this.release() ?? Effect.void);
  }

  /** As `leave`. Gives an effect only where something is left to do. */
  release(): Effect.Effect<void> | undefined {
    if (this.#state === "Open" || this.#state === "Opening" || this.#state === "Left")
      return undefined;
    const { connection, onSettled } = this.#fields;
    if (this.#handed !== undefined) withdraw(this.#handed);
    this.#enter("Left");
    onSettled(undefined);
    return connection.release();
  }

  /** Ends the call at once, whatever its process does. */
  hangUp(): Effect.Effect<void> {
    return Effect.suspend(() => this.#bootstrapped?.thread.task.sysif.close() ?? this.leave());
  }

  /** Completes when the process has ended, or is out of reach. */
  ended(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#bootstrapped !== undefined) return this.#bootstrapped.ended();
      if (this.#state === "Left" || this.#state === "HandedOver" || this.#hasHungUp)
        return Effect.void;
      const changed = Effect.callback<void>((resume) => {
        const tell = () => resume(Effect.void);
        this.#watchers = [...this.#watchers, tell];
        return Effect.sync(() => {
          this.#watchers = this.#watchers.filter((other) => other !== tell);
        });
      });
      const hungUp = Effect.flatMap(this.#fields.connection.afd, (socket) =>
        socket.waitForRdhup(),
      ).pipe(
        Effect.andThen(
          Effect.sync(() => {
            this.#hasHungUp = true;
          }),
        ),
        // It was closed, because the state has changed.
        Effect.catch(() => Effect.never),
      );
      return Effect.andThen(Effect.raceFirst(changed, hungUp), this.ended());
    });
  }

  /** Offers the caller to another thread of JavaScript. */
  handOver(): Effect.Effect<HandedOver, HandleFailure> {
    return Effect.suspend(() => {
      if (this.#state !== "Waiting" || !this.opensAtOnce)
        return Effect.fail(this.#refusal("handOver"));
      this.#isAnswered = true;
      this.#enter("HandedOver");
      const { greeted, connection, place, sharedMemory, stallLimit } = this.#fields;
      return Effect.tap(
        offer(greeted, connection.socket, place, { sharedMemory, stallLimit }),
        (handed) =>
          Effect.sync(() => {
            this.#handed = handed;
          }),
      );
    });
  }

  /** Answers through the Thread, where the caller does not take the answer at the door. */
  through(
    syscall: string,
    answer: (thread: Thread) => Effect.Effect<void, HandleFailure>,
  ): Effect.Effect<void, HandleFailure | HandshakeError> {
    return Effect.suspend(() => {
      if (this.#isAnswered) return Effect.fail(this.#refusal(syscall));
      return Effect.flatMap(this.open(), (thread) => {
        this.#isAnswered = true;
        // A program that the kernel refuses is no answer.
        return Effect.tapError(answer(thread), () =>
          Effect.sync(() => {
            this.#isAnswered = false;
          }),
        );
      });
    });
  }

  #enter(state: State): void {
    clearTimeout(this.#processing);
    this.#processing = undefined;
    this.#state = state;
    for (const tell of this.#watchers) tell();
  }

  /** Why it takes no answer. */
  get #problem(): string {
    return this.#isAnswered && this.#state !== "HandedOver"
      ? problems.Answered
      : problems[this.#state];
  }

  /** The error of an answer that comes too late. */
  #refusal(syscall: string): InvalidStateError | SyscallHangup {
    if (this.#hasHungUp && !this.#isAnswered) return new SyscallHangup({ syscall, byTask: true });
    return new InvalidStateError({
      syscall,
      subject: `the call of process ${this.description.pid}`,
      problem: this.#problem,
      remedy: "use the Thread before the call is answered, and answer it once",
    });
  }
}

const NO_WATCHERS: ReadonlyArray<() => void> = [];

const problems = {
  Waiting: "waits for an answer of another kind",
  Opening: "is becoming a Thread",
  Open: "has become a Thread",
  Answered: "was answered",
  HandedOver: "was handed over",
  Left: "has ended, or was dropped",
} as const;

/**
 * The process that has connected, if the kernel has named it to this process: another process may listen for
 * the server.
 */
const ancestorOf = (
  { task, connection }: Thread,
  { peer: { pid, uid } }: Greeted,
): Ancestor | undefined => {
  const { addressSpace, namespaces } = connection.accessTask;
  return pid > 0 && task.addressSpace === addressSpace && task.namespaces.pid.is(namespaces.pid)
    ? { pid, uid, isGone: NEVER }
    : undefined;
};

const NEVER = (): boolean => false;

/** The accepted connection where a thread can use it. */
const socketIn = (
  thread: Thread,
  listening: Thread,
  socket: Socket,
): Effect.Effect<Socket, HandleFailure, Scope.Scope> => {
  if (thread.task === socket.task) return Effect.succeed(socket);
  if (thread.task.fdTable === socket.task.fdTable) return socket.forTask(thread.task);
  return Effect.gen(function* () {
    const [access] = yield* listening.connection.passFrom([socket]);
    const [passed] = yield* thread.connection.passTo([access as Socket]);
    return yield* (passed as Socket).reclassify(Socket);
  });
};
