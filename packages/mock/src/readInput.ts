import { catchErrno } from "@rsyscall/near";
import type { StubCall } from "@rsyscall/stub-server";
import { Effect, Stream } from "effect";

/**
 * What the stdin of a call gives, to its end, or until there are at least so many bytes: it may have no end. Nothing, if
 * it cannot be read: it is closed (`<&-`), is a directory, or a terminal that has gone.
 */
export const readInput = (call: StubCall, enough = Infinity) =>
  Effect.suspend(() => {
    let size = 0;
    const parts = Stream.takeUntil(call.thread.stream(call.thread.stdin), ({ length }) => {
      size += length;
      return size >= enough;
    });
    return Effect.map(Stream.runCollect(parts), (all) => new Uint8Array(Buffer.concat(all)));
  }).pipe(catchErrno(["EBADF", "EISDIR", "EIO"], () => Effect.succeed(new Uint8Array(0))));
