import { SA, SIG, SIG_IGN, Sigset } from "@rsyscall/abi";
import { type Connection, FdPassConnection, type SyscallConnection } from "@rsyscall/connection";
import { AddressSpace, makeNamespaces } from "@rsyscall/far";
import {
  FdTable,
  FileDescriptor,
  type HandleFailure,
  resetSignal,
  Socket,
  sigaction,
  Task,
} from "@rsyscall/handle";
import { catchErrno, Fd } from "@rsyscall/near";
import { Environment, makeEpoller, NativeLoader, once, Thread } from "@rsyscall/thread";
import { Effect, Exit, Scope } from "effect";
import { connectByRing, connectBySockets, takeArena } from "./connect.ts";
import { HandshakeError } from "./errors.ts";
import type { Greeted } from "./handshake.ts";
import { callerEnvironment, StubCall } from "./StubCall.ts";
import { accepted, acceptedWithRing } from "./welcome.ts";

/** The signal by which the kernel tells a stub that its lifeline has closed. */
const LIFELINE_SIGNAL = 64;

/**
 * Makes a Thread of a client that has passed its checks: opens its channels, sends it their far ends
 * and builds what is needed to use them. Waits for nothing: the first system calls may follow the
 * welcome before the stub has read it.
 *
 * @param connection of the thread that does the bootstrap, and from which the channels come
 * @param socket the accepted connection, in that thread
 * @param sharesMemory whether calls and memory may go through memory that we share with the client
 */
export const bootstrap = (
  connection: Connection,
  socket: Socket,
  { abi, peer, description, arenaFd }: Greeted,
  sharesMemory: boolean,
): Effect.Effect<StubCall, HandleFailure | HandshakeError, Scope.Scope> =>
  Effect.gen(function* () {
    // The channels close with the caller's scope, or as soon as the process is gone.
    const scope = yield* Scope.fork(yield* Effect.scope);
    return yield* Effect.gen(function* () {
      const arena = sharesMemory ? yield* takeArena(connection, arenaFd, description) : undefined;
      const channels = yield* connection.openChannels(arena === undefined ? 4 : 3);
      const [[syscalls], [passing], , data] = channels as Channels;
      const far = channels.map(([, end]) => end);
      const welcome = arena === undefined ? accepted : acceptedWithRing;
      const sent = yield* socket
        .sendFds(welcome, far)
        .pipe(catchErrno(["EPIPE", "ECONNRESET"], () => Effect.succeed(0)));
      if (sent !== welcome.length)
        return yield* new HandshakeError({ problem: "the stub does not take its welcome" });
      yield* Effect.forEach(far, (end) => end.close, { discard: true });
      const { sysif, allocator, memory } = yield* arena === undefined
        ? connectBySockets(abi, connection, syscalls, data[0], description)
        : connectByRing(abi, connection, syscalls, arena, description);
      closeAtEnd(scope, sysif);

      const sigmask = new Uint8Array(8);
      new DataView(sigmask.buffer).setBigUint64(0, description.sigmask, true);
      const blocked = Sigset.decode(sigmask);
      const task = new Task({
        sysif,
        pid: description.pid,
        fdTable: new FdTable(description.pid),
        addressSpace: new AddressSpace(description.pid),
        namespaces: makeNamespaces(description.namespaces),
        allocator,
        pageSize: description.pageSize,
        sigmask: blocked.has(LIFELINE_SIGNAL)
          ? new Set([...blocked].filter((signal) => signal !== LIFELINE_SIGNAL))
          : blocked,
      });
      // Handles of what we use ourselves, so that nobody takes the numbers for something else.
      const { syscallFd, dataFd, lifelineFd } = description;
      for (const fd of [syscallFd, lifelineFd, ...(memory === undefined ? [dataFd] : [])])
        new FileDescriptor(task, fd).closeOnFork = true;
      const passingEnd = new Socket(task, description.connectionFd);
      passingEnd.closeOnFork = true;
      const taskConnection = new FdPassConnection(passing, connection.accessEpoller, passingEnd);
      const stdio = (fd: number) => new FileDescriptor(task, Fd(fd));
      const thread = new Thread({
        task,
        connection: taskConnection,
        memory,
        loader: NativeLoader.makeFromSymbols(task, { server: description.serverSymbol }),
        epoller: once(Scope.provide(makeEpoller(task, taskConnection), scope)),
        environ: new Environment(() => callerEnvironment(description)),
        stdin: stdio(0),
        stdout: stdio(1),
        stderr: stdio(2),
        scope,
        execSigmask: blocked,
        beforeChildren: once(heedChildren(task)),
        ignoredSignals: none,
      });
      return new StubCall(description, peer, thread, sysif.ended);
    }).pipe(
      Scope.provide(scope),
      Effect.onError(() => Scope.close(scope, Exit.void)),
    );
  });

type Channels = ReadonlyArray<[Socket, Socket]> &
  [[Socket, Socket], [Socket, Socket], [Socket, Socket], [Socket, Socket]];

const none: Sigset = new Set();

/** Not by a fiber of the scope, which would wait for itself. */
const closeAtEnd = (scope: Scope.Closeable, connection: SyscallConnection): void =>
  connection.onEnd(() => Effect.runFork(Scope.close(scope, Exit.void)));

/**
 * A process that ignores SIGCHLD, as its caller may have told it to, is never told how its children
 * end: the kernel forgets them at once. See sigaction(2).
 */
const heedChildren = (task: Task): Effect.Effect<void, HandleFailure> =>
  Effect.flatMap(sigaction(task, SIG.CHLD), ({ handler, flags }) =>
    handler === SIG_IGN || flags & SA.NOCLDWAIT ? resetSignal(task, SIG.CHLD) : Effect.void,
  );
