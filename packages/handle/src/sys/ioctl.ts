import type { FixedCodec, IoctlRequest } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { MallocFailure } from "../errors.ts";
import { encoded } from "../internal/checked.ts";
import type { Task } from "../Task.ts";

/** ioctl(2) of a typed request. See `FileDescriptor.ioctl`. */
export const ioctl = (
  task: Task,
  fd: near.Fd,
  { name, number, takes, gives }: IoctlRequest<unknown, unknown>,
  value: unknown,
): Effect.Effect<unknown, MallocFailure> => {
  const call = (argument: near.Word) =>
    near.ioctl(task.sysif, fd, number, argument).about(() => `fd ${fd}, ${name}`);
  if (takes === undefined && gives === undefined) return call(0);
  if (takes === "word") return call(value as near.Word);
  const withMemory = (bytes: Uint8Array) =>
    task.withBytes(
      bytes,
      (address) => {
        if (gives === undefined) return call(address);
        const filled = near.batchThen([call(address)], task.sysif.read(address, gives.size));
        return Effect.flatMap(filled, ([, bytes]) =>
          near.decoded("ioctl", `fd ${fd}, ${name}`, () => gives.decode(bytes)),
        );
      },
      Math.max(takes?.alignment ?? 1, gives?.alignment ?? 1),
    );
  const size = Math.max(takes?.size ?? 0, gives?.size ?? 0);
  return takes === undefined
    ? withMemory(new Uint8Array(size))
    : Effect.flatMap(encoded("ioctl", "value", takes, value), (bytes) => {
        const memory = new Uint8Array(size);
        memory.set(bytes);
        return withMemory(memory);
      });
};

/** A request that is only known by its number and the type of its argument. */
export const requestOf = <A>(
  number: number,
  type: FixedCodec<A>,
  value: A | undefined,
): IoctlRequest<unknown, unknown> => ({
  name: `0x${number.toString(16)}`,
  number,
  takes: value === undefined ? undefined : (type as FixedCodec<unknown>),
  gives: type,
});
