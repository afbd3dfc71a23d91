import { CLONE, SA, SIG, SIG_IGN, type Sigset } from "@rsyscall/abi";
import {
  type Connection,
  LifelineConnection,
  type SyscallConnection,
  SyscallRing,
} from "@rsyscall/connection";
import type { Epoller } from "@rsyscall/epoller";
import { AddressSpace, makeNamespaces } from "@rsyscall/far";
import {
  FdTable,
  FileDescriptor,
  type HandleFailure,
  type InvalidHandleError,
  learnNamespaces,
  ProgramSignals,
  resetSignal,
  Socket,
  sigaction,
  Task,
  UseAfterFreeError,
} from "@rsyscall/handle";
import type { Allocator } from "@rsyscall/memory";
import { Fd, SyscallError, type SyscallInterface, SyscallSendError } from "@rsyscall/near";
import {
  type Ancestor,
  Environment,
  makeEpoller,
  NativeLoader,
  once,
  Thread,
} from "@rsyscall/thread";
import { KEEP } from "@rsyscall/wire";
import { Effect, Exit, Fiber, Scope } from "effect";
import { type Connected, connectBySockets, ringOptions, takeArena } from "./connect.ts";
import { HandshakeError } from "./errors.ts";
import type { Greeted } from "./handshake.ts";
import type { Description } from "./hello.ts";
import { accepted, acceptedAndKept, acceptedWithRing } from "./welcome.ts";

/** The signal by which the kernel tells the process that its lifeline has closed. */
const LIFELINE_SIGNAL = 64;

/** What a transport provides: how to reach a process that has said hello. */
export interface Transport {
  /** The task that drives: the ends of channels that are ours are in it. */
  readonly accessTask: Task;
  /** Reports the readiness of these ends. */
  readonly accessEpoller: Epoller;
  /**
   * Sends a message to the process, and with it the far ends of `count` new channels, which are stream sockets.
   * Gives our ends, which are close-on-fork. Both ends block.
   */
  readonly sendChannels: (
    message: Uint8Array,
    count: number,
  ) => Effect.Effect<ReadonlyArray<Socket>, HandleFailure | HandshakeError, Scope.Scope>;
  /**
   * Makes all that is needed to welcome the process by a message, as plain code. Undefined where another process has the
   * connection of the handshake.
   *
   * @throws SyscallError or InvalidHandleError
   */
  readonly welcome?: ((message: Uint8Array) => Welcoming) | undefined;
  /** Whether the stream to the far end of such a channel was cut: see `Connection`. */
  readonly isCut?: Connection["isCut"];
  /** See `Connection.relay` of @rsyscall/connection. */
  readonly relay?: Connection["relay"];
  /** The connection that opens more channels, and passes them through the two ends of one. */
  readonly connect: (access: Socket, task: Socket) => Connection;
  /** Whether calls and memory may go through memory that both sides share, if it is offered. */
  readonly sharesMemory: boolean;
  /** The pid of the process, if the kernel has told it to this process: by SO_PEERCRED of a socket that it has connected. */
  readonly pid?: number | undefined;
  /** The process from which its children certainly descend: see `ThreadFields` of @rsyscall/thread. */
  readonly ancestor?: Ancestor | undefined;
}

/** A welcome that can be sent, and the connection of the handshake, which stays open. */
export interface Welcoming {
  /** Our end of a channel, whose far end comes with the welcome. */
  readonly channel: Socket;
  /** The connection of the handshake. */
  readonly lifeline: Socket;
  /** Sends the welcome, once. Returns the error if that fails; the process is told why, if it still listens. */
  send(): SyscallError | HandshakeError | undefined;
  /** Closes the far end, if the welcome was not sent. Our end and the connection are the caller's to close. */
  cancel(): void;
}

/** A Thread, its connection, and the end of its process. */
export interface Bootstrapped {
  /** The Thread. */
  readonly thread: Thread;
  /** The one for its system calls. */
  readonly connection: SyscallConnection;
  /** Completes when the process has ended, or is out of reach. */
  readonly ended: () => Effect.Effect<void>;
  /** Whether that is so now. */
  readonly hasEnded: () => boolean;
}

/**
 * Makes a Thread of a process that has said hello: opens its channels, sends it their far ends with the
 * welcome, and builds what is needed to use them. Waits for nothing: the first system calls may follow the
 * welcome before the process has read it.
 *
 * The channels close with the scope, or as soon as the process is gone.
 *
 * @param environ the environment of the Thread. Default: what the hello says
 */
export const bootstrapThread: (
  transport: Transport,
  greeted: Greeted,
  environ?: Environment,
) => Effect.Effect<Bootstrapped, HandleFailure | HandshakeError, Scope.Scope> = (
  transport,
  greeted,
  environ = new Environment(() => greeted.description.environment()),
) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.scope, (parent) => {
      const scope = Scope.forkUnsafe(parent);
      const made = Effect.suspend(() => {
        try {
          const now = bootstrapNow(transport, greeted, environ, scope);
          return now === undefined
            ? restore(bootstrapSlowly(transport, greeted, environ, scope))
            : Effect.succeed(now);
        } catch (error) {
          return isExpected(error) ? Effect.fail(error) : Effect.die(error);
        }
      });
      return Effect.onError(made, () => Scope.close(scope, Exit.void));
    }),
  );

const isExpected = (error: unknown): error is SyscallError | InvalidHandleError | HandshakeError =>
  error instanceof SyscallError ||
  error instanceof UseAfterFreeError ||
  error instanceof SyscallSendError ||
  error instanceof HandshakeError;

/**
 * Makes a Thread of a process that has connected to this one, through an arena and as plain code. The connection of the
 * handshake becomes the lifeline. Undefined if that takes an Effect.
 *
 * @throws SyscallError, InvalidHandleError or HandshakeError
 */
const bootstrapNow = (
  transport: Transport,
  { abi, description, arenaFd }: Greeted,
  environ: Environment,
  scope: Scope.Closeable,
): Bootstrapped | undefined => {
  const { accessTask, accessEpoller, welcome, sharesMemory, pid } = transport;
  // By its pid we know a socket of the process.
  if (!sharesMemory || welcome === undefined || pid === undefined) return undefined;
  if (description.listeningFd !== undefined || !takesKeep(description)) return undefined;
  const arena = takeArena(accessTask, arenaFd, description);
  if (arena === undefined) return undefined;
  let welcoming: Welcoming | undefined;
  let end: (() => void) | undefined;
  const release = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> => {
    end?.();
    // This process has them, so no effect is left to do.
    if (welcoming !== undefined) {
      welcoming.cancel();
      FileDescriptor.releaseNow(welcoming.channel, exit);
      FileDescriptor.releaseNow(welcoming.lifeline, exit);
    }
    arena.release();
    return Effect.void;
  };
  Effect.runSync(Scope.addFinalizerExit(scope, release));
  const ready = welcome(acceptedAndKept);
  welcoming = ready;
  const { channel, lifeline: access } = ready;
  const options = ringOptions(abi, accessEpoller, channel, arena, description);
  const started = SyscallRing.start(options, arena.window, () => ready.send());
  end = started.end;
  const sysif = started.connection;
  const connected = { sysif, allocator: sysif.memory.allocator, memory: arena };
  return assemble(transport, description, environ, scope, connected, (task, reserved) => {
    const lifeline = { access, task, reserved, pid, scope };
    return new LifelineConnection(lifeline, accessEpoller);
  });
};

const takesKeep = ({ welcomeFlags }: Description): boolean => (Number(welcomeFlags) & KEEP) !== 0;

const bootstrapSlowly = (
  transport: Transport,
  { abi, description, arenaFd }: Greeted,
  environ: Environment,
  scope: Scope.Closeable,
): Effect.Effect<Bootstrapped, HandleFailure | HandshakeError> =>
  Effect.gen(function* () {
    const { accessTask, accessEpoller, sharesMemory } = transport;
    const arena = yield* Effect.acquireRelease(
      Effect.sync(() => (sharesMemory ? takeArena(accessTask, arenaFd, description) : undefined)),
      (taken) => Effect.sync(() => taken?.release()),
    );
    const [syscalls, passing, , data] = (yield* arena === undefined
      ? transport.sendChannels(accepted, 4)
      : transport.sendChannels(acceptedWithRing, 3)) as Channels;
    const connected = yield* arena === undefined
      ? connectBySockets(abi, transport, syscalls, data, description)
      : Effect.map(
          SyscallRing.make(
            ringOptions(abi, accessEpoller, syscalls, arena, description),
            arena.window,
          ),
          (sysif) => ({ sysif, allocator: sysif.memory.allocator, memory: arena }),
        );
    if (description.listeningFd !== undefined)
      yield* Effect.addFinalizer(() => arrival(connected.sysif));
    return assemble(transport, description, environ, scope, connected, (_, end) =>
      transport.connect(passing, end),
    );
  }).pipe(Scope.provide(scope));

/** Puts a Thread together. */
const assemble = (
  transport: Transport,
  description: Description,
  environ: Environment,
  scope: Scope.Closeable,
  { sysif, allocator, memory }: Connected,
  connect: (lifeline: Socket, passing: Socket) => Connection,
): Bootstrapped => {
  sysif.closeAtEnd(scope);
  sysif.subject = `pid ${description.pid}`;
  const task = taskOf(description, sysif, allocator);
  // Handles of what we use ourselves, so that the numbers are known to be taken.
  const ownEnd = (fd: Fd): Socket => {
    const end = new Socket(task, fd);
    end.closeOnFork = true;
    return end;
  };
  ownEnd(description.syscallFd);
  if (memory === undefined) ownEnd(description.dataFd);
  const connection = connect(ownEnd(description.lifelineFd), ownEnd(description.connectionFd));
  let epoller: Effect.Effect<Epoller, HandleFailure> | undefined;
  let beforeChildren: Effect.Effect<void, HandleFailure> | undefined;
  const thread = new Thread({
    task,
    connection,
    memory,
    epoller: () => (epoller ??= once(Scope.provide(makeEpoller(task, connection), scope))),
    environ,
    ...ownParts(task, description),
    scope,
    // The number of the pid namespace tells whether other tasks know a child by the same pid.
    beforeChildren: () =>
      (beforeChildren ??= once(
        Effect.andThen(keepChildStatus(task), learnNamespaces(task, CLONE.NEWPID)),
      )),
    ancestor: transport.ancestor,
  });
  return {
    thread,
    connection: sysif,
    ended: () => sysif.ended(),
    hasEnded: () => sysif.hasEnded,
  };
};

/** The task of a process that has said hello. */
export const taskOf = (
  { pid, namespaces, pageSize, sigmask, ignored }: Description,
  sysif: SyscallInterface,
  allocator: Allocator,
): Task => {
  const own = (signals: Sigset) => (signals.has(LIFELINE_SIGNAL) ? [LIFELINE_SIGNAL] : []);
  return new Task({
    sysif,
    pid,
    fdTable: new FdTable(pid),
    addressSpace: new AddressSpace(pid),
    namespaces: () => makeNamespaces(namespaces),
    allocator,
    pageSize,
    sigmask: sigmask.has(LIFELINE_SIGNAL)
      ? new Set([...sigmask].filter((signal) => signal !== LIFELINE_SIGNAL))
      : sigmask,
    programSignals: new ProgramSignals({ blocked: own(sigmask), ignored: own(ignored) }),
  });
};

/** The parts of a Thread that a process has by itself. */
export const ownParts = (task: Task, { serverSymbol }: Description) => {
  const stdio = (fd: number) => new FileDescriptor(task, Fd(fd));
  return {
    loader: NativeLoader.makeFromSymbols(task, { server: serverSymbol }),
    stdin: stdio(0),
    stdout: stdio(1),
    stderr: stdio(2),
  };
};

/** Nothing is ever sent over the lifeline: what counts is that it is open. */
type Channels = ReadonlyArray<Socket> &
  [syscalls: Socket, passing: Socket, lifeline: Socket, data: Socket];

/** How long we wait for the last calls of a process that stays. */
const ARRIVAL_LIMIT = "1 second";

/**
 * A process that stays keeps what is not given back, so the calls that give things back must arrive before we hang up.
 * Other processes end with us. A call that blocks is not waited for longer than this.
 */
const arrival = Effect.fnUntraced(function* (sysif: SyscallConnection): Effect.fn.Return<void> {
  const barrier = yield* Effect.forkDetach(Effect.ignore(sysif.barrier()), {
    startImmediately: true,
  });
  yield* Effect.timeoutOption(Fiber.await(barrier), ARRIVAL_LIMIT);
});

/**
 * Restores SIGCHLD of a process whose caller had it ignored: the kernel would forget its children as soon as they end,
 * and waitid(2) could not tell how they have ended. See sigaction(2). Its programs ignore SIGCHLD again.
 */
const keepChildStatus = (task: Task): Effect.Effect<void, HandleFailure> =>
  Effect.flatMap(sigaction(task, SIG.CHLD), ({ handler, flags }) =>
    handler === SIG_IGN || flags & SA.NOCLDWAIT
      ? Effect.map(resetSignal(task, SIG.CHLD), () => {
          if (handler === SIG_IGN) task.programSignals.ignored.add(SIG.CHLD);
        })
      : Effect.void,
  );
