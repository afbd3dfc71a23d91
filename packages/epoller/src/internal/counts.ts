import { Uint64 } from "@rsyscall/abi";
import type { IoFailure } from "@rsyscall/handle";
import { impossible, type SyscallError } from "@rsyscall/near";
import { Effect, Stream } from "effect";
import type { AsyncFileDescriptor } from "../AsyncFileDescriptor.ts";

/** Reads the 8 bytes of an eventfd or timerfd, as soon as its count is not 0. */
export const readCount = (afd: AsyncFileDescriptor): Effect.Effect<bigint, IoFailure> =>
  Effect.flatMap(
    afd.readBytes(Uint64.size),
    (bytes): Effect.Effect<bigint, SyscallError> =>
      bytes.length === Uint64.size
        ? Effect.succeed(Uint64.decode(bytes))
        : Effect.fail(impossible("read", `fd ${afd.handle.near}`, `${bytes.length} of 8 bytes`)),
  );

/** The results of repeated `readCount`s. Nothing is read before the stream is pulled. */
export const counts = (afd: AsyncFileDescriptor): Stream.Stream<bigint, IoFailure> =>
  Stream.fromPull(Effect.succeed(Effect.map(readCount(afd), (count) => [count] as const)));
