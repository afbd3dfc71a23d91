import { catchErrno } from "@rsyscall/near";
import type { StubCall } from "@rsyscall/stub-server";
import { Effect } from "effect";

/**
 * All that the stdin of a call gives, to its end. Nothing, if it cannot be read: it is closed (`<&-`), is a directory,
 * or a terminal that has gone.
 */
export const readInput = (call: StubCall) =>
  Effect.suspend(() => call.thread.readToEof(call.thread.stdin)).pipe(
    catchErrno(["EBADF", "EISDIR", "EIO"], () => Effect.succeed(new Uint8Array(0))),
  );
