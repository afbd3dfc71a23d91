import { SECCOMP_FILTER_FLAG } from "@rsyscall/abi";
import { type FileDescriptor, type HandleFailure, prctl } from "@rsyscall/handle";
import { catchErrno, SyscallError } from "@rsyscall/near";
import type { ChildThread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { execFilter } from "../execFilter.ts";
import { SeccompListener } from "../SeccompListener.ts";

/**
 * Makes a child notify of its execs from now on, and gives the listener, in this process. The child's own descriptor
 * is closed: only this process can answer.
 */
export const startListening = (
  child: ChildThread,
): Effect.Effect<SeccompListener, HandleFailure, Scope.Scope> =>
  Effect.gen(function* () {
    yield* prctl.setNoNewPrivs(child);
    const filter = execFilter(child.task.abi);
    // A signal would else make the caller's execve(2) fail with EINTR, or make the call come twice.
    const { WAIT_KILLABLE_RECV } = SECCOMP_FILTER_FLAG;
    const inChild = yield* SeccompListener.make(child, filter, WAIT_KILLABLE_RECV).pipe(
      catchErrno("EINVAL", () => SeccompListener.make(child, filter)),
      Effect.mapError((error) =>
        error instanceof SyscallError && error.errno === "EBUSY" ? error.because(BUSY) : error,
      ),
    );
    const [passed] = yield* child.connection.passFrom([inChild]);
    yield* inChild.close();
    const listener = yield* (passed as FileDescriptor).narrow(SeccompListener);
    listener.closeOnFork = true;
    return listener;
  });

const BUSY =
  "this process is in a tree that is supervised already, by another ExecWatch or a container runtime, and the kernel allows one supervisor";
