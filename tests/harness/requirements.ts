import { spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { join } from "node:path";

/*
 * What a test needs of the machine. Each of these is undefined where the test can run, and otherwise the reason
 * why it cannot.
 */

/** The absolute path of a program. The system's directories come before PATH, which may have wrappers. */
export const which = (program: string): string | undefined =>
  ["/usr/bin", "/bin", "/usr/sbin", "/sbin", ...(process.env["PATH"] ?? "").split(":")]
    .map((directory) => join(directory, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return statSync(path).isFile();
      } catch {
        return false;
      }
    });

/** Why a test cannot run here: a program is not installed. */
export const missing = (...programs: ReadonlyArray<string>): string | undefined => {
  const absent = programs.filter((program) => which(program) === undefined);
  return absent.length === 0 ? undefined : `not installed: ${absent.join(", ")}`;
};

/** Why a test cannot run here: it does what only root may. */
export const notRoot: string | undefined = process.getuid?.() === 0 ? undefined : "needs root";

/** Why a test does not run here: it takes long, and RSYSCALL_SLOW does not ask for it. */
export const slow: string | undefined =
  process.env["RSYSCALL_SLOW"] === "1" ? undefined : "slow; runs with RSYSCALL_SLOW=1";

/** Why a test cannot run here: the kernel or the sandbox gives no user namespaces, and none in them. */
export const noNamespaces: string | undefined =
  spawnSync("unshare", ["-Urmnpiu", "--fork", "true"]).status === 0
    ? undefined
    : "no user namespaces";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

/** Why a test of `@rsyscall/fleet` cannot run here: its version of Node. */
export const noFleet: string | undefined =
  major > 22 || (major === 22 && minor >= 19) ? undefined : "needs Node 22.19 or newer";
