import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Effect, type Scope } from "effect";
import { freePort, HOST } from "./freePort.ts";
import { childrenOf, textOf } from "./processes.ts";
import { missing, notRoot } from "./requirements.ts";
import { tempDirectory } from "./temp.ts";

export { HOST };

const SSHD = "/usr/sbin/sshd";

/** The name of a user that exists for one sshd only. */
const OTHER_USER = "rsyscall-test";

/** The environment variable that marks the processes of a server's sessions. */
const SESSION = "RSYSCALL_TEST_SSHD";

/** Why a test with an ssh server cannot run here. */
export const noSshd: string | undefined =
  existsSync(SSHD) && spawnSync("ssh", ["-V"], { stdio: "ignore" }).error === undefined
    ? undefined
    : "not installed: ssh and sshd (Debian: openssh-client, openssh-server)";

/** Why a test with a server of another user, or with another login shell, cannot run here. */
export const noOtherUser: string | undefined =
  noSshd ??
  notRoot ??
  missing("unshare", "setpriv") ??
  (spawnSync("unshare", ["--mount", "--propagation", "private", "true"]).status === 0
    ? undefined
    : "no mount namespaces");

/** A real sshd(8) on the loopback interface, with keys of its own. */
export interface Sshd {
  readonly port: number;
  readonly directory: string;
  /** $HOME and $TMPDIR of sessions: empty, and for this server alone. */
  readonly home: string;
  readonly temp: string;
  /** Options by which ssh(1) gets there without reading a configuration file. */
  readonly options: ReadonlyArray<string>;
  /** Words before a program that make it run as the user of the server. */
  readonly as: ReadonlyArray<string>;
  /** The server's log. */
  readonly log: () => string;
  /** The server's processes, one for each connection. */
  readonly connections: () => ReadonlyArray<number>;
  /** All processes of sessions, also those that a session has left behind. */
  readonly processes: () => ReadonlyArray<number>;
  /** Signals the processes of all connections: SIGKILL cuts them, and the sessions' processes go on. */
  readonly signal: (name: NodeJS.Signals) => void;
}

export interface SshdOptions {
  /** Lines of sshd_config(5) in front of ours: for each keyword the first one counts. */
  readonly config?: ReadonlyArray<string>;
  /** The user that runs the server; by default the user of this process. Only root can choose another. */
  readonly uid?: number;
  /** The login shell of that user; by default the one of passwd(5). Only root can choose another. */
  readonly shell?: string;
}

/** Starts it, and waits until it listens. The scope ends it, with all its connections. */
export const startSshd = ({
  config = [],
  uid,
  shell,
}: SshdOptions = {}): Effect.Effect<Sshd, never, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    const [home, temp] = [`${directory}/home`, `${directory}/temp`];
    for (const path of [home, temp]) mkdirSync(path);
    for (const key of ["host", "user"])
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${directory}/${key}`]);
    writeFileSync(`${directory}/authorized`, readFileSync(`${directory}/user.pub`));
    const port = yield* freePort;
    const hostKey = readFileSync(`${directory}/host.pub`, "utf8");
    writeFileSync(`${directory}/known`, `[${HOST}]:${port} ${hostKey}`);
    const environment = {
      HOME: home,
      TMPDIR: temp,
      // By which what runs there is found.
      RSYSCALL_TEST: process.pid,
      [SESSION]: port,
    };
    const lines = [
      ...config,
      `ListenAddress ${HOST}:${port}`,
      `HostKey ${directory}/host`,
      `AuthorizedKeysFile ${directory}/authorized`,
      `SetEnv ${Object.entries(environment)
        .map((entry) => entry.join("="))
        .join(" ")}`,
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "StrictModes no",
      "UsePAM no",
      "PidFile none",
      "PrintMotd no",
      "PrintLastLog no",
    ];
    writeFileSync(`${directory}/config`, `${lines.join("\n")}\n`);
    const as = uid === undefined && shell === undefined ? [] : asUser(directory, uid, shell);
    // Where sshd of root separates its privileges; Debian has it made by the service.
    if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    const { log, pid } = yield* listen([...as, SSHD, "-D", "-e", "-f", `${directory}/config`]);
    const options = [
      ["-F", "none"],
      ["-p", `${port}`],
      ["-i", `${directory}/user`],
      ["-o", `UserKnownHostsFile=${directory}/known`],
      ["-o", "IdentitiesOnly=yes"],
      as.length === 0 ? [] : ["-l", OTHER_USER],
    ].flat();
    const connections = () => childrenOf(pid);
    const processes = () => having(`${SESSION}=${port}`);
    const signal = (name: NodeJS.Signals) => {
      for (const connection of connections()) process.kill(connection, name);
    };
    return { port, directory, home, temp, options, as, log, connections, processes, signal };
  });

/**
 * Words that run a program as another user, or where the user has another login shell: passwd(5) is another
 * one for it alone.
 */
const asUser = (
  directory: string,
  uid: number = process.getuid?.() ?? 0,
  shell = "/bin/sh",
): ReadonlyArray<string> => {
  // The first line of a number counts; one without a shadow is not locked.
  const user = [OTHER_USER, "*", uid, uid, "", `${directory}/home`, shell].join(":");
  writeFileSync(`${directory}/passwd`, `${user}\n${readFileSync("/etc/passwd", "utf8")}`);
  chmodSync(`${directory}/passwd`, 0o644);
  for (const path of ["", ...readdirSync(directory)]) chownSync(join(directory, path), uid, uid);
  const script = 'mount --bind "$1" /etc/passwd && shift && exec "$@"';
  return [
    ...["/usr/bin/unshare", "--mount", "--propagation", "private"],
    ...["/bin/sh", "-c", script, "sh", `${directory}/passwd`],
    ...["/usr/bin/setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"],
  ];
};

/** The processes that have a variable in their environment. */
const having = (variable: string): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => textOf(`/proc/${pid}/environ`).split("\0").includes(variable))
    .map(Number);

/** Kills the children of a process, and theirs. */
const killChildren = (pid: number): void => {
  for (const child of childrenOf(pid)) {
    killChildren(child);
    try {
      process.kill(child, "SIGKILL");
    } catch (error) {
      // It has ended meanwhile.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
};

interface Server {
  readonly pid: number;
  readonly process: ChildProcess;
  readonly log: () => string;
}

const listen = ([program = "", ...args]: ReadonlyArray<string>): Effect.Effect<
  Server,
  never,
  Scope.Scope
> =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<Server>((resolve, reject) => {
          const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
          let text = "";
          const log = () => text;
          child.stderr.setEncoding("utf8").on("data", (piece: string) => {
            text += piece;
            if (text.includes("Server listening"))
              resolve({ pid: child.pid as number, process: child, log });
          });
          child.on("error", reject);
          child.on("exit", () => reject(new Error(`sshd has ended: ${text}`)));
        }),
    ),
    (server) =>
      Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            server.process.removeAllListeners("exit");
            server.process.on("close", () => resolve());
            killChildren(server.pid);
            server.process.kill("SIGKILL");
          }),
      ),
  );
