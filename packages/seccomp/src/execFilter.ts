import { type Abi, Errno, SECCOMP_RET } from "@rsyscall/abi";
import { type FilterLine, jumpIf, load, returns } from "./filter.ts";

/**
 * The filter that notifies of execve(2) and execveat(2) in all conventions of a machine, and allows all else. Calls
 * of an unknown convention fail with ENOSYS, because one of them could be an exec.
 *
 * The kernel finds out which calls it always allows, and does not run it for those.
 */
export const execFilter = ({ execs }: Abi): ReadonlyArray<FilterLine> => {
  const architectures = [...new Set(execs.map(({ auditArch }) => auditArch))];
  return [
    load("arch"),
    ...architectures.map((arch) => jumpIf("JEQ", arch, `calls of ${arch}`)),
    returns(SECCOMP_RET.ERRNO | Errno.ENOSYS),
    ...architectures.flatMap((arch) => [
      `calls of ${arch}`,
      load("nr"),
      ...execs
        .filter(({ auditArch }) => auditArch === arch)
        .flatMap(({ execve, execveat }) => [
          jumpIf("JEQ", execve, "notify"),
          jumpIf("JEQ", execveat, "notify"),
        ]),
      returns(SECCOMP_RET.ALLOW),
    ]),
    "notify",
    returns(SECCOMP_RET.USER_NOTIF),
  ];
};
