import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { O } from "@rsyscall/abi";
import { Directory, type HandleFailure } from "@rsyscall/handle";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { utf8 } from "./bytes.ts";

/*
 * The state of a process in /proc, as the process itself sees it, or another process in the same place.
 */

/** Lists the open descriptors of a process and their targets, as the Thread sees them. */
const openFds = (
  { task }: Thread,
  pid: number | "self",
): Effect.Effect<ReadonlyMap<number, string>, HandleFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const directory = yield* Directory.make(task, `/proc/${pid}/fd`);
      const fds = new Map<number, string>();
      for (const { name } of yield* directory.entries())
        if (pid !== "self" || Number(name) !== directory.near)
          fds.set(Number(name), (yield* directory.readlinkat(name)).text);
      return fds;
    }),
  );

/**
 * Lists the descriptors of this process without close-on-exec, as "number -> target". Every program that this process
 * starts inherits them, so they are not a fault of the transport.
 */
const leftOpen = (): ReadonlySet<string> =>
  new Set(
    readdirSync("/proc/self/fd").flatMap((fd) => {
      try {
        const [, flags = ""] =
          /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1")) ?? [];
        const isCloexec = (Number.parseInt(flags, 8) & O.CLOEXEC) !== 0;
        return isCloexec ? [] : [`${fd} -> ${readlinkSync(`/proc/self/fd/${fd}`)}`];
      } catch {
        // The descriptor of the directory itself.
        return [];
      }
    }),
  );

/** Lists the open descriptors of a process except stdin, stdout and stderr; "self" is the Thread's own process. */
export const openBesideStdio = (
  thread: Thread,
  pid: number | "self" = "self",
): Effect.Effect<ReadonlyArray<number>, HandleFailure> =>
  Effect.map(openFds(thread, pid), (fds) => {
    const ignored = leftOpen();
    return [...fds]
      .filter(([fd, target]) => fd > 2 && !ignored.has(`${fd} -> ${target}`))
      .map(([fd]) => fd)
      .sort((a, b) => a - b);
  });

/** Lists the open descriptors for which the Thread has no handle. */
export const strangers = (thread: Thread): Effect.Effect<ReadonlyArray<number>, HandleFailure> =>
  Effect.map(openBesideStdio(thread), (fds) => {
    const ranges = thread.task.fdTable.notOf(thread.task);
    return fds.filter((fd) => ranges.some(({ first, last }) => first <= fd && fd <= last));
  });

/** Reads a file of /proc as text. */
export const procFile = (thread: Thread, path: string): Effect.Effect<string, HandleFailure> =>
  Effect.map(thread.slurp(`/proc/${path}`), utf8);

/** Reads a set of signals in /proc/PID/status: SigBlk, SigIgn... */
export const signalSet = (
  thread: Thread,
  pid: number | "self",
  field: string,
): Effect.Effect<ReadonlyArray<number>, HandleFailure> =>
  Effect.map(procFile(thread, `${pid}/status`), (status) => {
    const mask = BigInt(`0x${new RegExp(`^${field}:\\s*(\\w+)`, "m").exec(status)?.[1]}`);
    return Array.from({ length: 64 }, (_, i) => i + 1).filter(
      (signal) => (mask >> BigInt(signal - 1)) & 1n,
    );
  });
