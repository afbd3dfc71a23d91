import { CapData, CapHeader, LINUX_CAPABILITY_VERSION_3 } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import { encode } from "../encode.ts";
import type { MallocFailure } from "../errors.ts";
import { argument, checked, encoded, int } from "../internal/checked.ts";
import type { TaskLike } from "../TaskLike.ts";

const headerOf = (pid: number): Uint8Array =>
  encode(CapHeader, { version: LINUX_CAPABILITY_VERSION_3, pid });

/** capget(2): the capabilities (`CAP`) of a task by its pid; 0 stands for the task itself. */
export const capget = (
  { task }: TaskLike,
  pid: near.Pid | number = 0,
): Effect.Effect<CapData, MallocFailure> => {
  const { size } = CapHeader;
  return checked(
    "capget",
    [argument("pid", pid, int)],
    task.withMemory(size + CapData.size, 8, (header) => {
      const data = near.Address(header + size);
      const get = near.batchThen(
        [near.capget(task.sysif, header, data).about(() => `pid ${pid}`)],
        task.sysif.read(data, CapData.size),
      );
      return Effect.map(Effect.andThen(task.sysif.write(header, headerOf(pid)), get), ([, bytes]) =>
        CapData.decode(bytes),
      );
    }),
  );
};

/**
 * capset(2): sets all three sets of this one task; other threads of its process keep theirs. EPERM for
 * capabilities that are not permitted: one that was given up does not come back. The kernel ignores capabilities
 * that it does not know.
 */
export const capset = (
  { task }: TaskLike,
  capabilities: CapData,
): Effect.Effect<void, MallocFailure> =>
  Effect.flatMap(encoded("capset", "capabilities", CapData, capabilities), (bytes) =>
    task.withMemory(CapHeader.size + bytes.length, 8, (header) => {
      const data = near.Address(header + CapHeader.size);
      const block = new Uint8Array([...headerOf(0), ...bytes]);
      return Effect.andThen(task.sysif.write(header, block), near.capset(task.sysif, header, data));
    }),
  );
