import { type ChildProcess, spawn } from "node:child_process";
import { type Deferred, deferred } from "./deferred.ts";
import { MockError } from "./errors.ts";
import { bytesField } from "./log.ts";
import { nearestName } from "./nearestName.ts";
import { quoted } from "./pattern.ts";
import type { CallRecord } from "./record.ts";
import { pass } from "./reply.ts";
import { type Reply, replyDataOf } from "./replyData.ts";
import { DENIED } from "./words.ts";

/*
 * A handler in any language: a program that reads a line of JSON for each call on its stdin, and writes one for each
 * answer to its stdout, in any order. docs/command-line.md is the description of the protocol.
 */

const VERSION = 1;

/** Bytes of a line at most. */
const LINE_LIMIT = 16 << 20;

/** How long a handler may take to end when its stdin has ended, and again when it was asked by a signal: milliseconds. */
const END_LIMIT = 1000;

/** Characters of a handler's line that a message shows. */
const SHOWN = 200;

// Those of the test may be fake.
const { setTimeout, clearTimeout } = globalThis;

/** A call, as a handler program needs it. */
export interface HandledCall
  extends Pick<
    CallRecord,
    "program" | "path" | "argv" | "env" | "cwd" | "pid" | "ppid" | "parent"
  > {
  /** All that its stdin gives, to its end. */
  readonly stdin: { readonly bytes: () => Promise<Uint8Array> };
}

/** Options of a {@link HandlerProgram}. */
export interface HandlerProgramOptions {
  /** How long it may take for an answer, in milliseconds. Default 30000. */
  readonly limit?: number;
  /** Its environment. Default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const ANSWERS = [
  "stdout",
  "stdoutBase64",
  "stderr",
  "stderrBase64",
  "status",
  "signal",
  "delay",
  "pass",
  "deny",
  "want",
] as const;

/** What a handler has said of a call. */
type Answer = Readonly<Record<string, unknown>>;

/** A program that answers calls. It is started once, and has any number of calls in flight. */
export class HandlerProgram {
  /** The command line, as the shell was given it. */
  readonly command: string;
  readonly #limit: number;
  readonly #child: ChildProcess;
  readonly #calls = new Map<number, Deferred<Answer>>();
  readonly #exited = deferred<void>();
  #lastId = 0;
  #input: Array<Buffer> = [];
  #inputLength = 0;
  #failure: string | undefined;
  #hasExited = false;

  /** Starts it by the shell. It is a process group of its own, so that Ctrl-C does not end it before the callers. */
  constructor(command: string, { limit = 30_000, env = process.env }: HandlerProgramOptions = {}) {
    this.command = command;
    this.#limit = limit;
    this.#child = spawn("/bin/sh", ["-c", command], {
      stdio: ["pipe", "pipe", "inherit"],
      detached: true,
      env,
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => this.#read(chunk));
    // That it does not read any more is seen by its end, or by the deadline.
    this.#child.stdin?.on("error", () => {});
    this.#child.on("error", (error) => {
      this.#fail(`cannot be started: ${error.message}`);
      this.#exited.resolve();
    });
    // All that it has written is read by then.
    this.#child.on("close", (status, signal) => {
      this.#hasExited = true;
      this.#fail(
        signal === null ? `has ended with status ${status}` : `was ended by the signal ${signal}`,
      );
      this.#exited.resolve();
    });
    process.on("exit", this.#kill);
  }

  /** Has the program answer a call. Fails with a MockError if it does not, or if the answer is none. */
  async handle(call: HandledCall): Promise<Reply> {
    const { program, path, argv, env, cwd, pid, ppid, parent } = call;
    const fields = { program, path, argv, env, cwd, pid, ppid, parent };
    let answer = await this.#ask(fields);
    if (answer["want"] === "stdin") {
      const stdin = await this.#inTime(
        call.stdin.bytes(),
        "wants the caller's stdin, which did not end",
      );
      answer = await this.#ask({ ...fields, ...bytesField("stdin", stdin) });
    }
    const reply = replyOf(program, answer, (problem) => this.#error(problem));
    try {
      replyDataOf(reply);
    } catch (error) {
      throw this.#error(`has given a wrong answer: ${(error as Error).message}`);
    }
    return reply;
  }

  /** Ends it: first by the end of its stdin. */
  async close(): Promise<void> {
    this.#failure ??= "was ended";
    this.#child.stdin?.end();
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      if (await this.#exitsSoon()) break;
      this.#kill(signal);
    }
    // What it has started may have left its group, and hold its stdout.
    if (!(await this.#exitsSoon())) this.#child.stdout?.destroy();
    await this.#exited.promise;
    process.off("exit", this.#kill);
  }

  readonly #kill = (signal: unknown): void => {
    const { pid } = this.#child;
    if (pid === undefined || this.#hasExited) return;
    try {
      // The shell may have ended, and left the program.
      process.kill(-pid, signal === "SIGTERM" ? signal : "SIGKILL");
    } catch {
      // All of it has just ended.
    }
  };

  async #exitsSoon(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), END_LIMIT);
    });
    const inTime = await Promise.race([this.#exited.promise.then(() => true), late]);
    clearTimeout(timer);
    return inTime;
  }

  async #ask(fields: object): Promise<Answer> {
    if (this.#failure !== undefined) throw this.#error(this.#failure);
    const id = ++this.#lastId;
    const answer = deferred<Answer>();
    this.#calls.set(id, answer);
    this.#child.stdin?.write(`${JSON.stringify({ rsyscall: VERSION, id, ...fields })}\n`);
    try {
      return await this.#inTime(answer.promise, "has not answered");
    } finally {
      this.#calls.delete(id);
    }
  }

  async #inTime<A>(what: Promise<A>, problem: string): Promise<A> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(this.#error(`${problem} within ${this.#limit} ms`)),
        this.#limit,
      );
    });
    try {
      return await Promise.race([what, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #error(problem: string): MockError {
    return new MockError([`the handler ${quoted(this.command)} ${problem}`]);
  }

  /** It is of no use any more: all calls fail. */
  #fail(problem: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = problem;
    for (const answer of this.#calls.values()) answer.reject(this.#error(problem));
    this.#calls.clear();
  }

  /** Its stdout is out of step: it is ended. */
  #nonsense(line: string, why: string): void {
    const shown = line.length > SHOWN ? `${line.slice(0, SHOWN)}...` : line;
    this.#fail(`has written ${JSON.stringify(shown)}, and ${why}`);
    this.#kill("SIGKILL");
  }

  #read(chunk: Buffer): void {
    let rest = chunk;
    while (this.#failure === undefined) {
      const end = rest.indexOf(10);
      const part = end < 0 ? rest : rest.subarray(0, end);
      this.#input.push(part);
      this.#inputLength += part.length;
      if (this.#inputLength > LINE_LIMIT) {
        this.#nonsense(this.#takeLine(), `a line has at most ${LINE_LIMIT} bytes`);
        return;
      }
      if (end < 0) return;
      this.#hear(this.#takeLine());
      rest = rest.subarray(end + 1);
    }
  }

  #takeLine(): string {
    const line = Buffer.concat(this.#input).toString();
    this.#input = [];
    this.#inputLength = 0;
    return line;
  }

  #hear(line: string): void {
    if (line.trim() === "") return;
    let answer: Answer | undefined;
    try {
      answer = JSON.parse(line) as Answer;
    } catch {
      // It is shown as it is.
    }
    if (typeof answer !== "object" || answer === null || Array.isArray(answer)) {
      this.#nonsense(
        line,
        "an answer is a line with an object of JSON: what it prints for people goes to stderr",
      );
      return;
    }
    const { id } = answer;
    if (!Number.isInteger(id) || (id as number) < 1 || (id as number) > this.#lastId) {
      this.#nonsense(line, "the id of an answer is that of a call");
      return;
    }
    // An answer that comes late, or a second one, changes nothing.
    this.#calls.get(id as number)?.resolve(answer);
  }
}

/** The reply that an answer means. */
const replyOf = (program: string, answer: Answer, error: (problem: string) => MockError): Reply => {
  const { id: _, rsyscall: __, ...fields } = answer;
  const wrong = (problem: string) => error(`has given a wrong answer: ${problem}`);
  const unknown = Object.keys(fields).find((key) => !(ANSWERS as readonly string[]).includes(key));
  if (unknown !== undefined) {
    const near = nearestName(unknown, ANSWERS);
    throw wrong(
      `there is no ${unknown}${near === undefined ? `: there are ${ANSWERS.join(", ")}` : `: did you mean ${near}?`}`,
    );
  }
  const { pass: isPass, deny, want, status, signal, delay } = fields;
  if (want !== undefined)
    throw wrong(`want is ${JSON.stringify(want)}, and must be "stdin", and once`);
  for (const kind of ["pass", "deny"])
    if (fields[kind] !== undefined && Object.keys(fields).length > 1)
      throw wrong(`${kind} stands alone`);
  if (isPass !== undefined) {
    if (isPass !== true) throw wrong(`pass is ${JSON.stringify(isPass)}, and must be true`);
    return pass;
  }
  if (deny !== undefined) {
    if (typeof deny !== "string") throw wrong(`deny is ${JSON.stringify(deny)}, and must be text`);
    return { stderr: `${program}: ${deny}\n`, status: DENIED };
  }
  const output = (name: string): string | Uint8Array | undefined => {
    const text = fields[name];
    const base64 = fields[`${name}Base64`];
    if (text !== undefined && base64 !== undefined)
      throw wrong(`${name} and ${name}Base64 exclude each other`);
    for (const value of [text, base64])
      if (value !== undefined && typeof value !== "string")
        throw wrong(`${name} is ${JSON.stringify(value)}, and must be text`);
    return base64 === undefined
      ? (text as string | undefined)
      : new Uint8Array(Buffer.from(base64 as string, "base64"));
  };
  for (const [name, value] of Object.entries({ status, delay }))
    if (value !== undefined && typeof value !== "number")
      throw wrong(`${name} is ${JSON.stringify(value)}, and must be a number`);
  if (signal !== undefined && typeof signal !== "string" && typeof signal !== "number")
    throw wrong(`signal is ${JSON.stringify(signal)}, and must be a name or a number`);
  const stdout = output("stdout");
  const stderr = output("stderr");
  return {
    ...(stdout === undefined ? {} : { stdout }),
    ...(stderr === undefined ? {} : { stderr }),
    ...(status === undefined ? {} : { status: status as number }),
    ...(signal === undefined ? {} : { signal }),
    ...(delay === undefined ? {} : { delay: delay as number }),
  };
};
