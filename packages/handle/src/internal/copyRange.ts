import { BigInt64, type FileCloneRange, listOf } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { MallocFailure } from "../errors.ts";
import type { Task } from "../Task.ts";
import { exactly } from "./checked.ts";

const integer = (
  syscall: string,
  argument: string,
  value: number | bigint,
): Effect.Effect<bigint, near.InvalidArgumentError> =>
  Effect.try({
    try: () => exactly(value),
    catch: (cause) =>
      new near.InvalidArgumentError({
        syscall,
        argument,
        value,
        expected: "a whole number, as a bigint from 2^53 on",
        cause,
      }),
  });

/** The value of FICLONERANGE(2const). */
export const cloneRange = (
  srcFd: near.Fd,
  {
    sourceOffset = 0,
    length = 0,
    offset = 0,
  }: {
    readonly sourceOffset?: number | bigint;
    readonly length?: number | bigint;
    readonly offset?: number | bigint;
  },
): Effect.Effect<FileCloneRange, near.InvalidArgumentError> =>
  Effect.map(
    Effect.all([
      integer("ioctl", "sourceOffset", sourceOffset),
      integer("ioctl", "length", length),
      integer("ioctl", "offset", offset),
    ]),
    ([srcOffset, srcLength, destOffset]) => ({ srcFd, srcOffset, srcLength, destOffset }),
  );

/** copy_file_range(2) with the offsets in memory, or those of the open files. */
export const copyFileRange = (
  task: Task,
  from: near.Fd,
  to: near.Fd,
  length: number,
  offsets: { readonly from?: number | bigint; readonly to?: number | bigint },
): Effect.Effect<number, MallocFailure> =>
  Effect.flatMap(
    Effect.all([
      integer("copy_file_range", "from", offsets.from ?? 0),
      integer("copy_file_range", "to", offsets.to ?? 0),
    ]),
    (values) =>
      task.withValue(twoOffsets, values, (address) =>
        near.copyFileRange(
          task.sysif,
          from,
          offsets.from === undefined ? near.NULL : address,
          to,
          offsets.to === undefined ? near.NULL : near.Address(address + BigInt64.size),
          length,
          0,
        ),
      ),
  );

const twoOffsets = listOf(BigInt64);
