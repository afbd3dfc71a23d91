import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { Effect, type Scope } from "effect";
import { missing, which } from "./requirements.ts";
import { tempDirectory } from "./temp.ts";

/*
 * A headless Chromium for tests, without a package that drives it: it takes messages of the DevTools protocol through
 * two pipes, as JSON between zero bytes.
 */

const programs = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

const program = programs.find((name) => missing(name) === undefined);

/** Why a test cannot open pages here. */
export const noBrowser: string | undefined =
  program === undefined ? `not installed: ${programs.join(", ")}` : undefined;

/** Milliseconds until a page must be as a test wants it. */
const PATIENCE = 20_000;

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

const no = Effect.succeed(false);

/** What the console says that is an error, an exception that no code caught, a file that could not be loaded. */
const problemOf = ({ method, params }: Message): string | undefined => {
  const { exceptionDetails, type, args, entry } = params as {
    readonly exceptionDetails?: {
      readonly text: string;
      readonly exception?: { readonly description?: string };
    };
    readonly type?: string;
    readonly args?: ReadonlyArray<{ readonly value?: unknown; readonly description?: string }>;
    readonly entry?: { readonly level: string; readonly text: string; readonly url?: string };
  };
  if (method === "Runtime.exceptionThrown")
    return exceptionDetails?.exception?.description ?? exceptionDetails?.text;
  if (method === "Runtime.consoleAPICalled" && type === "error")
    return args?.map(({ value, description }) => value ?? description).join(" ");
  if (method === "Log.entryAdded" && entry?.level === "error")
    return `${entry.text} ${entry.url ?? ""}`;
  return undefined;
};

/** The one page of a browser. */
export interface Page {
  /** Loads an address, and waits until the page's own scripts have run. */
  readonly open: (url: string) => Effect.Effect<void>;
  /** The value of an expression of JavaScript in the page. */
  readonly evaluate: <A = unknown>(expression: string) => Effect.Effect<A>;
  /** Waits until an expression is true in the page. The test fails after 20 s. */
  readonly until: (expression: string) => Effect.Effect<void>;
  /** Clicks the first element that a selector names, as a mouse does. */
  readonly click: (selector: string) => Effect.Effect<void>;
  /** Types text, into the element that has the focus. */
  readonly type: (text: string) => Effect.Effect<void>;
  /** All that the console has said that is an error. */
  readonly problems: ReadonlyArray<string>;
}

/** Starts a headless Chromium with one page. It ends with the scope. */
export const openBrowser: Effect.Effect<Page, never, Scope.Scope> = Effect.gen(function* () {
  const home = yield* tempDirectory;
  const { send, listeners } = yield* Effect.acquireRelease(
    Effect.sync(() => start(home)),
    ({ end }) => Effect.promise(end),
  );
  const problems: Array<string> = [];
  listeners.add((message) => {
    const problem = problemOf(message);
    if (problem !== undefined) problems.push(problem);
  });

  const { targetId } = yield* send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = yield* send("Target.attachToTarget", { targetId, flatten: true });
  const ask = (method: string, params = {}) => send(method, params, sessionId as string);
  for (const domain of ["Page", "Runtime", "Log"]) yield* ask(`${domain}.enable`);

  const evaluate = <A>(expression: string): Effect.Effect<A> =>
    ask("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true }).pipe(
      Effect.flatMap(({ result, exceptionDetails }) =>
        exceptionDetails === undefined
          ? Effect.succeed((result as { readonly value: A }).value)
          : Effect.die(new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`)),
      ),
    );
  const until = Effect.fnUntraced(function* (expression: string) {
    const end = performance.now() + PATIENCE;
    // A page that is left meanwhile answers with an error.
    while (!(yield* evaluate(`Boolean(${expression})`).pipe(Effect.catchDefect(() => no)))) {
      if (performance.now() > end)
        return yield* Effect.die(new Error(`the page never has: ${expression}`));
      yield* Effect.sleep("20 millis");
    }
  });
  return {
    problems,
    evaluate,
    until,
    open: Effect.fnUntraced(function* (url) {
      const loaded = new Promise<void>((resolve) => {
        const listener = ({ method }: Message) => {
          if (method !== "Page.loadEventFired") return;
          listeners.delete(listener);
          resolve();
        };
        listeners.add(listener);
      });
      const { errorText } = yield* ask("Page.navigate", { url });
      if (errorText !== undefined) return yield* Effect.die(new Error(`${url}: ${errorText}`));
      yield* Effect.promise(() => loaded);
    }),
    click: Effect.fnUntraced(function* (selector) {
      yield* until(`document.querySelector(${JSON.stringify(selector)})`);
      const at = yield* evaluate<{ readonly x: number; readonly y: number }>(
        `(() => { const element = document.querySelector(${JSON.stringify(selector)});
          element.scrollIntoView({ block: "center", behavior: "instant" });
          const { x, y, width, height } = element.getBoundingClientRect();
          return { x: x + width / 2, y: y + height / 2 }; })()`,
      );
      for (const type of ["mousePressed", "mouseReleased"])
        yield* ask("Input.dispatchMouseEvent", { type, ...at, button: "left", clickCount: 1 });
    }),
    type: (text) => Effect.asVoid(ask("Input.insertText", { text })),
  };
});

/** Starts the program, with its files in a directory. */
const start = (home: string) => {
  const child = spawn(
    which(program as string) as string,
    [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
      ...["--remote-debugging-pipe", "--no-first-run", `--user-data-dir=${join(home, "profile")}`],
    ],
    {
      // A group of its own: it has processes of its own, which must all have ended before its files are removed.
      detached: true,
      env: { ...process.env, HOME: home },
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    },
  );
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const input = child.stdio[3] as Writable;
  input.on("error", () => {});
  const waiting = new Map<number, (message: Message) => void>();
  const listeners = new Set<(message: Message) => void>();
  let rest = Buffer.alloc(0);
  (child.stdio[4] as Readable).on("data", (part: Buffer) => {
    rest = Buffer.concat([rest, part]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      const message = JSON.parse(rest.subarray(0, end).toString()) as Message;
      rest = rest.subarray(end + 1);
      if (message.id === undefined) for (const listener of listeners) listener(message);
      else waiting.get(message.id)?.(message);
    }
  });
  let last = 0;
  const send = (method: string, params: object = {}, sessionId?: string) =>
    Effect.promise(
      () =>
        new Promise<Record<string, unknown>>((resolve, reject) => {
          const id = ++last;
          waiting.set(id, ({ result, error }) => {
            waiting.delete(id);
            if (result === undefined) reject(new Error(`${method}: ${error?.message}`));
            else resolve(result);
          });
          void ended.then(() => reject(new Error(`${method}: the browser has ended`)));
          input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
        }),
    );
  const end = async () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, "SIGKILL");
    await ended;
  };
  return { send, listeners, end };
};
