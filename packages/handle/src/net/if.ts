import { type FixedCodec, fixedCString, IFNAMSIZ, type Ifreq } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { MallocFailure } from "../errors.ts";
import { encodedBy } from "../internal/checked.ts";
import type { Task } from "../Task.ts";

const nameOnly = fixedCString(IFNAMSIZ);

/** ioctl(2) with a `struct ifreq`: see `Socket.ifreq`. */
export const ifreq = <A>(
  task: Task,
  fd: near.Fd,
  request: number,
  name: string,
  type: FixedCodec<Ifreq<A>>,
  value: A | undefined,
): Effect.Effect<Ifreq<A>, MallocFailure> => {
  const { sysif } = task;
  const fields = {
    syscall: "ioctl",
    argument: "ifreq",
    value: value === undefined ? name : value,
    expected: "a name of at most 15 bytes, and a value of the member",
  };
  const bytes = encodedBy(fields, () => {
    const bytes = new Uint8Array(type.size);
    if (value === undefined) nameOnly.encode(name, bytes);
    else type.encode({ name, value }, bytes);
    return bytes;
  });
  return Effect.flatMap(bytes, (bytes) =>
    task.withMemory(type.size, type.alignment, (at) => {
      const call = near.ioctl(sysif, fd, request, at).about(name === "" ? `fd ${fd}` : name);
      return Effect.flatMap(
        Effect.andThen(sysif.write(at, bytes), near.batchThen([call], sysif.read(at, type.size))),
        ([, result]) => near.decoded("ioctl", name, () => type.decode(result)),
      );
    }),
  );
};
