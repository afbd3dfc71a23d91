import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { Effect, type Scope } from "effect";
import { freePort, HOST } from "./freePort.ts";
import { missing, notRoot } from "./requirements.ts";
import { tempDirectory } from "./temp.ts";

const PASSWORD = "secret";

/** The user `nobody` of every Linux: PostgreSQL refuses to run as root. */
const NOBODY = 65534;

/** Why a test with a server of PostgreSQL cannot run here. */
export const noPostgres: string | undefined =
  missing("initdb", "postgres") ?? (notRoot === undefined ? missing("setpriv") : undefined);

/** A real server of PostgreSQL on the loopback interface, with a database of its own. */
export interface Postgres {
  readonly port: number;
  /** A URL of the database `postgres`, with another password if asked. */
  readonly url: (password?: string) => string;
  /** Ends it as a crash does: all connections are cut. */
  readonly stop: Effect.Effect<void>;
  /** Starts it again, and waits until it listens. */
  readonly start: Effect.Effect<void>;
}

/** Makes a database and starts its server. The scope ends it and removes all. */
export const startPostgres: Effect.Effect<Postgres, never, Scope.Scope> = Effect.gen(function* () {
  const directory = yield* tempDirectory;
  const data = `${directory}/data`;
  mkdirSync(data, { mode: 0o700 });
  writeFileSync(`${directory}/password`, PASSWORD);
  const as: ReadonlyArray<string> =
    notRoot === undefined
      ? ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"]
      : [];
  if (as.length > 0) {
    chmodSync(directory, 0o711);
    for (const path of [data, `${directory}/password`]) chownSync(path, NOBODY, NOBODY);
  }
  const [program = "", ...words] = [
    ...[...as, "initdb", "--pgdata", data, "--username", "postgres", "--no-sync", "--no-locale"],
    ...["--encoding", "UTF8", "--auth", "scram-sha-256", "--pwfile", `${directory}/password`],
  ];
  execFileSync(program, words, { stdio: ["ignore", "ignore", "inherit"], cwd: "/" });
  const port = yield* freePort;
  const settings = {
    listen_addresses: HOST,
    port,
    unix_socket_directories: "",
    // A test's database need not outlive the machine.
    fsync: "off",
    full_page_writes: "off",
    synchronous_commit: "off",
    shared_buffers: "16MB",
  };
  const command = [
    ...[...as, "postgres", "-D", data],
    ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ];
  let server: ChildProcess | undefined;
  const start = Effect.promise(
    () =>
      new Promise<void>((resolve, reject) => {
        const [postgres = "", ...args] = command;
        const child = spawn(postgres, args, { stdio: ["ignore", "ignore", "pipe"], cwd: "/" });
        server = child;
        let log = "";
        child.stderr.setEncoding("utf8").on("data", (piece: string) => {
          log += piece;
          if (log.includes("ready to accept connections")) resolve();
        });
        child.on("error", reject);
        child.on("exit", () => reject(new Error(`postgres has ended: ${log}`)));
      }),
  );
  const stop = Effect.promise(
    () =>
      new Promise<void>((resolve) => {
        if (server === undefined) return resolve();
        server.on("close", () => resolve());
        // Immediate shutdown: it gives back its shared memory, which SIGKILL would leave.
        server.kill("SIGQUIT");
        server = undefined;
      }),
  );
  yield* Effect.acquireRelease(start, () => stop);
  const url = (password = PASSWORD) => `postgres://postgres:${password}@${HOST}:${port}/postgres`;
  return { port, url, stop, start };
});
