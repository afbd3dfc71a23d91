import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { userInfo } from "node:os";
import { Effect, type Scope } from "effect";
import { tempDirectory } from "./temp.ts";

const SSHD = "/usr/sbin/sshd";

/** Why there can be no ssh server here. */
export const noSshd: string | undefined =
  existsSync(SSHD) && spawnSync("ssh", ["-V"], { stdio: "ignore" }).error === undefined
    ? undefined
    : "not installed: ssh and sshd (Debian: openssh-client, openssh-server)";

/** A real sshd(8) on the loopback interface, of this user, with keys of its own. */
export interface Sshd {
  readonly port: number;
  readonly directory: string;
  /** Options by which ssh(1) gets there, and nobody's configuration is looked at. */
  readonly options: ReadonlyArray<string>;
  readonly user: string;
  /** What it has said. */
  readonly log: () => string;
  /** Ends the processes of all connections. */
  readonly cut: () => void;
}

const freePort: Effect.Effect<number> = Effect.promise(
  () =>
    new Promise((resolve, reject) => {
      const server = createServer();
      server.on("error", reject);
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as { port: number };
        server.close(() => resolve(port));
      });
    }),
);

/** Starts it, and waits until it listens. The scope ends it, with all its connections. */
export const startSshd = (
  more: ReadonlyArray<string> = [],
): Effect.Effect<Sshd, never, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    for (const key of ["host", "user"])
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${directory}/${key}`]);
    writeFileSync(`${directory}/authorized`, readFileSync(`${directory}/user.pub`));
    const port = yield* freePort;
    const hostKey = readFileSync(`${directory}/host.pub`, "utf8");
    writeFileSync(`${directory}/known`, `[127.0.0.1]:${port} ${hostKey}`);
    const config = [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${directory}/host`,
      `AuthorizedKeysFile ${directory}/authorized`,
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "StrictModes no",
      "UsePAM no",
      "PidFile none",
      "PrintMotd no",
      "PrintLastLog no",
      ...more,
    ];
    writeFileSync(`${directory}/config`, `${config.join("\n")}\n`);
    chmodSync(directory, 0o700);
    // Where sshd of root separates its privileges; Debian has it made by the service.
    if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    const server = yield* listen(`${directory}/config`);
    const options = [
      ["-F", "none"],
      ["-p", `${port}`],
      ["-i", `${directory}/user`],
      ["-o", `UserKnownHostsFile=${directory}/known`],
      ["-o", "IdentitiesOnly=yes"],
    ].flat();
    const { log, group } = server;
    const cut = () => killChildren(group.pid as number);
    return { port, directory, options, user: userInfo().username, log, cut };
  });

/** Kills the children of a process, and theirs. */
const killChildren = (pid: number): void => {
  const path = `/proc/${pid}/task/${pid}/children`;
  // Whoever has ended meanwhile has none, and cannot be killed.
  const children = existsSync(path) ? readFileSync(path, "utf8").split(" ") : [];
  for (const child of children.filter((text) => text !== "").map(Number)) {
    killChildren(child);
    try {
      process.kill(child, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
};

interface Server {
  readonly group: ChildProcess;
  readonly log: () => string;
}

const listen = (config: string): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<Server>((resolve, reject) => {
          const group = spawn(SSHD, ["-D", "-e", "-f", config], {
            stdio: ["ignore", "ignore", "pipe"],
          });
          let text = "";
          const log = () => text;
          group.stderr.setEncoding("utf8").on("data", (piece: string) => {
            text += piece;
            if (text.includes("Server listening")) resolve({ group, log });
          });
          group.on("error", reject);
          group.on("exit", () => reject(new Error(`sshd has ended: ${text}`)));
        }),
    ),
    ({ group }) =>
      Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            group.removeAllListeners("exit");
            group.on("close", () => resolve());
            killChildren(group.pid as number);
            group.kill("SIGKILL");
          }),
      ),
  );
