import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TEMP_PREFIX } from "@rsyscall/harness";

/*
 * A controller in a process of its own, a client that lies to it, and good stubs beside that. What blocks or
 * ends a controller cannot be seen from inside it.
 */

const program = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** A message that the controller has logged. */
export interface Logged {
  readonly level: string;
  readonly text: string;
}

/** A report of the controller. */
export interface Report {
  /** The longest standstill of its event loop since the last report, in milliseconds. */
  readonly lag: number;
  /** Open descriptors. */
  readonly fds: number;
  /** Bytes of resident memory. */
  readonly rss: number;
}

type Message =
  | ({ readonly type: "log" } & Logged)
  | ({ readonly type: "report" } & Report)
  | { readonly type: "outcome"; readonly lie: string; readonly text: string }
  | { readonly type: "ready" };

/** Rejects if a promise takes longer than a healthy controller would need. */
export const within = <A>(ms: number, what: string, promise: Promise<A>): Promise<A> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

const end = async (process: ChildProcess): Promise<void> => {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const ended = once(process, "exit");
  process.kill("SIGKILL");
  await ended;
};

/** A controller under attack. */
export class Attack {
  readonly directory: string;
  readonly #controller: ChildProcess;
  #liar: ChildProcess | undefined;
  #messages: Array<Message> = [];
  #onMessage = () => {};

  private constructor(directory: string) {
    this.directory = directory;
    this.#controller = spawn(process.execPath, [program("controller.mjs"), directory], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#controller.on("message", (message: Message) => {
      this.#messages.push(message);
      this.#onMessage();
    });
  }

  static async make(): Promise<Attack> {
    const attack = new Attack(mkdtempSync(join(tmpdir(), `${TEMP_PREFIX}${process.pid}-`)));
    await attack.#take("ready", () => true);
    return attack;
  }

  async end(): Promise<void> {
    await end(this.#controller);
    if (this.#liar !== undefined) await end(this.#liar);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The pid of the controller. */
  get pid(): number {
    return this.#controller.pid as number;
  }

  /** The path of the executable that calls the controller. */
  get stub(): string {
    return join(this.directory, "stub");
  }

  /** Takes the first message, received or to come, that fulfils a condition. */
  #take<T extends Message["type"]>(
    type: T,
    wanted: (message: Extract<Message, { type: T }>) => boolean,
  ): Promise<Extract<Message, { type: T }>> {
    const found = new Promise<Extract<Message, { type: T }>>((resolve) => {
      this.#onMessage = () => {
        for (const [i, message] of this.#messages.entries())
          if (message.type === type && wanted(message as Extract<Message, { type: T }>)) {
            this.#messages.splice(i, 1);
            this.#onMessage = () => {};
            return resolve(message as Extract<Message, { type: T }>);
          }
      };
      this.#onMessage();
    });
    return within(5000, `the controller's ${type}`, found);
  }

  /** Takes the outcome of a lie. */
  async outcome(lie: string): Promise<string> {
    return (await this.#take("outcome", (message) => message.lie === lie)).text;
  }

  /** Waits for a log message that fulfils a condition. */
  async logged(wanted: RegExp): Promise<string> {
    return (await this.#take("log", ({ text }) => wanted.test(text))).text;
  }

  /** Takes the messages that were logged since the last time. */
  takeLog(): ReadonlyArray<Logged> {
    const log = this.#messages.filter((message) => message.type === "log");
    this.#messages = this.#messages.filter((message) => message.type !== "log");
    return log;
  }

  report(): Promise<Report> {
    this.#controller.send("report");
    return this.#take("report", () => true);
  }

  /** Tells a lie of the table. Completes when the controller has hung up, or the liar has. */
  async lie(name: string): Promise<void> {
    if (this.#liar === undefined) {
      const args = [program("liar.mjs"), `${this.stub}.sock`];
      this.#liar = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
      this.#liar.stdin?.on("error", () => {});
    }
    const { stdin, stdout } = this.#liar;
    stdin?.write(`${name}\n`);
    await within(5000, "the end of the liar", once(stdout as NodeJS.ReadableStream, "data"));
  }

  /** Calls the controller as an honest program does. Gives the exit status. */
  async call(): Promise<number | null> {
    const caller = spawn(this.stub, [], { stdio: ["pipe", "ignore", "inherit"] });
    const ended = once(caller, "exit");
    caller.stdin.end("hello");
    try {
      const [status] = await within(2000, "a good stub", ended);
      return status;
    } finally {
      await end(caller);
    }
  }
}
