import { AT, CLONE, O } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { Task } from "../Task.ts";

/*
 * Why a kernel refuses namespaces. Its errnos mislead: ENOSPC means a limit and not a full disk, and EPERM may
 * come from a sysctl, a seccomp profile or a chroot. So the task reads the files that show the cause, once the
 * kernel has refused.
 */

/** Reads a sysctl or another small file of /proc; undefined if there is none. */
const said = (task: Task, path: string): Effect.Effect<string | undefined> =>
  task
    .withPath("openat", path, (at) =>
      Effect.acquireUseRelease(
        near.openat(task.sysif, AT.FDCWD, at, O.RDONLY | O.CLOEXEC, 0),
        (fd) =>
          task.withMemory(SIZE, 1, (address) =>
            Effect.flatMap(near.read(task.sysif, fd, address, SIZE), (count) =>
              count > 0 && count <= SIZE
                ? Effect.map(task.sysif.read(address, count), decode)
                : Effect.succeed(undefined),
            ),
          ),
        (fd) => Effect.ignore(near.close(task.sysif, fd)),
      ),
    )
    .pipe(Effect.orElseSucceed(() => undefined));

const SIZE = 4096;

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).trim();

/** An explanation, if a sysctl exists and forbids the call. */
const denies = (
  task: Task,
  name: string,
  value: string,
  instead: string,
): Effect.Effect<string | undefined> =>
  Effect.map(said(task, `/proc/sys/${name.replaceAll(".", "/")}`), (text) =>
    text === value
      ? `${name} is ${value}: as root, sysctl -w ${name}=${instead}, or run as root`
      : undefined,
  );

/** Which limit of namespaces(7) each flag counts against. */
const limits: ReadonlyArray<[flag: number, name: string]> = [
  [CLONE.NEWUSER, "user"],
  [CLONE.NEWPID, "pid"],
  [CLONE.NEWNS, "mnt"],
  [CLONE.NEWNET, "net"],
  [CLONE.NEWUTS, "uts"],
  [CLONE.NEWIPC, "ipc"],
  [CLONE.NEWCGROUP, "cgroup"],
  [CLONE.NEWTIME, "time"],
];

const limitReached = (task: Task, flags: number): Effect.Effect<string> =>
  Effect.map(
    Effect.forEach(
      limits.filter(([flag]) => (flags & flag) !== 0),
      ([, kind]) => {
        const name = `user.max_${kind}_namespaces`;
        return Effect.map(said(task, `/proc/sys/user/max_${kind}_namespaces`), (value) => ({
          name,
          value,
        }));
      },
    ),
    (all) => {
      const named = all.filter(({ value }) => value === "0");
      const shown = (named.length > 0 ? named : all)
        .map(({ name, value }) => `${name} is ${value ?? "unknown"}`)
        .join(", ");
      return `a limit of namespaces is reached, and no disk is full: ${shown}; raise it with sysctl -w as root, or close namespaces (they nest 32 deep at most)`;
    },
  );

/** Whether a seccomp filter decides on the system calls of a task: seccomp(2). */
const isFiltered = (task: Task): Effect.Effect<boolean> =>
  Effect.map(said(task, "/proc/self/status"), (text) => /^Seccomp:\s*2$/m.test(text ?? ""));

/** Whether "/" is not a mount point, as far as that can be seen: then chroot(2) has put the task there. */
const isInChroot = (task: Task): Effect.Effect<boolean> =>
  Effect.map(
    said(task, "/proc/self/mountinfo"),
    (text) => text !== undefined && !/^\S+ \S+ \S+ \S+ \/ /m.test(text),
  );

const FILTERED =
  "a seccomp filter is on, as container runtimes use it: allow the call in its profile (for docker: --security-opt seccomp=unconfined), or run outside of the container";

const RESTRICTED = "kernel.apparmor_restrict_unprivileged_userns";

const notPermitted = Effect.fnUntraced(function* (
  task: Task,
  flags: number,
): Effect.fn.Return<string> {
  if (flags & CLONE.NEWUSER) {
    const sysctl =
      (yield* denies(task, "kernel.unprivileged_userns_clone", "0", "1")) ??
      (yield* denies(task, RESTRICTED, "1", "0"));
    if (sysctl !== undefined) return sysctl;
    if (yield* isInChroot(task))
      return "the process is in a chroot, where the kernel gives no user namespaces: use pivot_root(2), or run outside of it";
  }
  if (yield* isFiltered(task)) return FILTERED;
  return flags & CLONE.NEWUSER
    ? "user namespaces may be forbidden by a security module, or the process is in a chroot, or its ids mean nothing in its own user namespace"
    : "such namespaces need CAP_SYS_ADMIN: add CLONE.NEWUSER, in which it is given, or run as root";
});

/** Adds to a refusal of new namespaces what has caused it and what helps; other failures pass. */
export const explainDenied =
  (task: Task, flags: number) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    limits.some(([flag]) => (flags & flag) !== 0)
      ? explaining(self, (errno) => {
          switch (errno) {
            case "ENOSPC":
            case "EUSERS":
              return limitReached(task, flags);
            case "EPERM":
            case "EACCES":
              return notPermitted(task, flags);
            case "ENOSYS":
              return Effect.succeed(FILTERED);
            case "EINVAL":
              return Effect.succeed(
                "the flags may not go together, or the kernel was built without such namespaces",
              );
            default:
              return undefined;
          }
        })
      : self;

/** As `explainDenied`, for a file that maps the ids of a user namespace. */
export const explainMapping =
  (task: Task) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    explaining(self, (errno) => {
      switch (errno) {
        case "EACCES":
          return Effect.succeed(
            "the process is not dumpable, as after a change of ids, so root owns its files in /proc: call prctl.setDumpable(task, 1) first",
          );
        case "EPERM":
          return Effect.map(
            denies(task, RESTRICTED, "1", "0"),
            (sysctl) =>
              sysctl ??
              "without privileges, a process can map only its own effective ids, and only once: user_namespaces(7)",
          );
        case "ENOENT":
          return Effect.succeed("mount proc on /proc: the ids are mapped there");
        default:
          return undefined;
      }
    });

const explaining = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  hintOf: (errno: string) => Effect.Effect<string> | undefined,
): Effect.Effect<A, E, R> =>
  Effect.catch(self, (error: E): Effect.Effect<never, E> => {
    const hint = error instanceof near.SyscallError ? hintOf(error.errno) : undefined;
    return hint === undefined
      ? Effect.fail(error)
      : Effect.flatMap(hint, (text) =>
          Effect.fail((error as near.SyscallError).because(text) as E),
        );
  });
