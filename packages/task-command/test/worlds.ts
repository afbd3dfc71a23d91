import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readlinkSync } from "node:fs";
import { dirname } from "node:path";
import { tempDirectory } from "@rsyscall/harness";
import { Command, type Thread } from "@rsyscall/thread";
import { Effect } from "effect";

/*
 * Where a command may lead to, made of this machine.
 */

/** Makes a command of the words that it has to execute. */
export type Through = (...words: ReadonlyArray<string>) => Command;

/** Through a program with arguments. */
export const through =
  (program: string, ...args: ReadonlyArray<string>): Through =>
  (...words) =>
    Command.make(program, ...args, ...words);

/** Through a script, which executes the words that are its arguments. */
export const script = (text: string): Through => through("/bin/sh", "-c", text, "sh");

/** Through another shell than /bin/sh. It gets what comes after the name of the shell. */
export const shell =
  (command: Command): Through =>
  (_sh, ...args) =>
    command.args(...args);

/** Programs that are needed where there is no perl(1). */
export const NEEDED = ["uname", "chmod", "head", "ls", "wc", "rm"];

/** Through a script in a mount namespace of its own. */
export const inMounts = (text: string): Through =>
  through("/usr/bin/unshare", "--mount", "/bin/sh", "-c", `set -e; ${text}; exec "$@"`, "sh");

/** For a script: all places that programs could be put into are others, mounted with these options. */
export const places = (options: string): string =>
  [
    "unset XDG_RUNTIME_DIR TMPDIR",
    `for place in /dev/shm /tmp /var/tmp; do mount -t tmpfs -o ${options} none $place; done`,
    "export HOME=/tmp; cd /tmp",
  ].join("; ");

/** For a script in mounts of its own: PATH has these programs, and no others. */
export const only = (...programs: ReadonlyArray<string>): string =>
  [
    "mount -t tmpfs none /mnt",
    `for program in ${programs.join(" ")}; do ln -s "$(command -v $program)" /mnt/$program; done`,
    "export PATH=/mnt",
  ].join("; ");

/** What a Thread of this host executes. */
export const executableOf = ({ task }: Thread): string => readlinkSync(`/proc/${task.pid}/exe`);

/** A directory for a root in which there is busybox(1), as /bin/sh and under other names, and nothing else. */
export const busyboxRoot = (...names: ReadonlyArray<string>) =>
  Effect.map(tempDirectory, (root) => {
    chmodSync(root, 0o755);
    const put = (from: string, to: string) => {
      mkdirSync(`${root}${dirname(to)}`, { recursive: true });
      copyFileSync(from, `${root}${to}`);
    };
    // Debian has a static one, and one that is not.
    for (const [library] of libraries("/bin/busybox").matchAll(/\/\S+/g)) put(library, library);
    for (const name of ["sh", ...names]) put("/bin/busybox", `/bin/${name}`);
    mkdirSync(`${root}/tmp`);
    chmodSync(`${root}/tmp`, 0o1777);
    return root;
  });

const libraries = (path: string): string => {
  try {
    return execFileSync("ldd", [path], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return "";
  }
};
