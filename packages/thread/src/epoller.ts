import { EPOLL_CLOEXEC, F } from "@rsyscall/abi";
import type { Connection } from "@rsyscall/connection";
import { Epoller } from "@rsyscall/epoller";
import { Epoll, FileDescriptor, type HandleFailure, type Task } from "@rsyscall/handle";
import { close, epollCreate1, Fd, fcntl, type SyscallFailure } from "@rsyscall/near";
import { Effect, type Scope } from "effect";

/**
 * epoll_create1(2), with a number above those of stdio: if the program has closed stdio, the descriptor would
 * pass for it.
 */
const createEpoll = (task: Task): Effect.Effect<Fd, SyscallFailure> =>
  Effect.flatMap(epollCreate1(task.sysif, EPOLL_CLOEXEC), (fd) =>
    fd > 2
      ? Effect.succeed(fd)
      : Effect.ensuring(
          Effect.map(fcntl(task.sysif, fd, F.DUPFD_CLOEXEC, 3), Fd),
          Effect.ignore(close(task.sysif, fd)),
        ),
  );

/**
 * Makes an epoll instance in the task. The controller takes its events, so that no call waits in the task. If the
 * instance cannot be passed to the controller, the task has to wait itself.
 */
export const makeEpoller = Effect.fnUntraced(function* (
  task: Task,
  connection: Connection,
): Effect.fn.Return<Epoller, HandleFailure, Scope.Scope> {
  const registrar = yield* FileDescriptor.acquire(Epoll, task, createEpoll(task));
  registrar.closeOnFork = true;
  if (!connection.canPass) return yield* Epoller.makeRoot(registrar, connection.accessEpoller);
  const [passed] = yield* connection.passFrom([registrar]);
  const waiter = yield* (passed as FileDescriptor).narrow(Epoll);
  waiter.closeOnFork = true;
  return yield* Epoller.makeSubsidiary(registrar, waiter, connection.accessEpoller.nested(waiter));
});
