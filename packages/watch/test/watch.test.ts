import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { it, start, tempDirectory } from "@rsyscall/harness";
import { noBrowser, openBrowser } from "@rsyscall/harness/browser";
import { LocalThread } from "@rsyscall/thread";
import { Live, pageOf, Recorder, type Report, treeText, watch } from "@rsyscall/watch";
import { Effect } from "effect";
import { assert, describe } from "vitest";

const reportOf = (command: readonly [string, ...Array<string>]) =>
  Effect.gen(function* () {
    const thread = yield* LocalThread;
    return yield* watch(thread, { command, print: false, live: "off" });
  });

/** The report of so many processes, without running them. */
const manyProcesses = (count: number): Report => {
  const recorder = new Recorder(["make", "</script><b>"], 1000);
  for (let i = 0; i < count; i++) {
    recorder.add({
      _tag: "Exec",
      failure: undefined,
      decision: { _tag: "Allow" },
      call: {
        pid: 10 + i,
        time: 1000 + i,
        path: `/usr/bin/p${i}`,
        argv: [`p${i}`, "<img src=x onerror=alert(1)>", "\u2028"],
        parent: i === 0 ? undefined : { pid: i % 10 === 0 ? 10 : 9 + i, path: "", argv: [] },
        isRetry: false,
      } as never,
    });
  }
  for (let i = 0; i < count; i++)
    recorder.add({
      _tag: "End",
      pid: (10 + i) as never,
      time: 1000 + count + i,
      status: { exitStatus: i % 2 },
    });
  return recorder.report();
};

describe("watch", () => {
  it("makes a tree of what a command runs", function* () {
    const { status, report } = yield* reportOf([
      "sh",
      "-c",
      "(true; /bin/false; true) ; env PATH=/nowhere:/usr/bin:/bin true; exit 3",
    ]);
    assert.equal(status, 3);
    assert.equal(report.format, "rsyscall-watch");
    assert.equal(report.version, 1);
    const [shell, ...others] = report.processes;
    assert.equal(shell?.parent, null);
    assert.equal(shell?.exitStatus, 3);
    assert.deepEqual(
      others.map(({ parent, exitStatus, execs }) => [
        parent,
        exitStatus,
        execs.map(({ path }) => path),
      ]),
      [
        [0, 1, ["/bin/false"]],
        // The attempt in /nowhere is none.
        [0, 0, ["/usr/bin/env", "/usr/bin/true"]],
      ],
    );
    for (const { start, end } of report.processes) assert.isAtLeast(end ?? 0, start);
    const text = treeText(report);
    assert.match(
      text,
      /^sh -c '.*' {2}\(\d+, [\d.]+ ms, exit 3\)\n├─ \/bin\/false {2}\(\d+, .*, exit 1\)\n└─ env/,
    );
    assert.include(text, "→ true");
  });

  it("writes files, and is as the command for its caller", function* () {
    const thread = yield* LocalThread;
    const directory = yield* tempDirectory;
    const file = (name: string) => join(directory, name);
    const { status, report } = yield* watch(thread, {
      command: ["sh", "-c", "kill -TERM $$"],
      json: file("json"),
      html: file("html"),
      text: file("text"),
    });
    assert.equal(status, 128 + 15);
    assert.deepEqual(JSON.parse(readFileSync(file("json"), "utf8")), report);
    assert.equal(readFileSync(file("text"), "utf8"), treeText(report));
    assert.equal(readFileSync(file("html"), "utf8"), pageOf(report));
    const error = yield* Effect.flip(
      watch(thread, { command: ["true"], json: join(directory, "absent/json") }),
    );
    assert.equal(error._tag, "OutputError");
    const absent = yield* Effect.flip(watch(thread, { command: ["no-such-program"] }));
    assert.equal(absent._tag, "ExecutableNotFoundError");
  });

  it("passes signals on, and reports all the same", function* () {
    const directory = yield* tempDirectory;
    const file = join(directory, "json");
    const code = `
      import { LocalThread } from "@rsyscall/thread";
      import { watch } from "@rsyscall/watch";
      import { Effect } from "effect";
      const command = ["sh", "-c", "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.01; done"];
      const run = Effect.flatMap(LocalThread, (thread) => watch(thread, { command, json: ${JSON.stringify(file)} }));
      const { status } = await Effect.runPromise(run.pipe(Effect.provide(LocalThread.layer)));
      process.exit(status);`;
    const watcher = yield* start(process.execPath, ["--input-type=module", "-e", code]);
    yield* watcher.line((line) => line === "ready");
    yield* watcher.kill("SIGTERM");
    const { status, stdout } = yield* watcher.ended;
    assert.equal(stdout.toString(), "ready\ngot\n");
    assert.equal(status, 9);
    assert.equal(JSON.parse(readFileSync(file, "utf8")).processes[0].exitStatus, 9);
  });

  it("shows a tree while it grows", function* () {
    const recorder = new Recorder(["make"]);
    const exec = (pid: number, parent: number, text: string) =>
      recorder.add({
        _tag: "Exec",
        failure: undefined,
        decision: { _tag: "Allow" },
        call: {
          pid,
          time: Date.now(),
          path: "/p",
          argv: [text],
          isRetry: false,
          parent: { pid: parent },
        },
      } as never);
    const written: Array<string> = [];
    const screen = { columns: 30, rows: 6, write: (text: string) => written.push(text) };
    const lines = new Live(recorder, screen, "lines");
    exec(10, 0, "make");
    exec(11, 10, "cc \x1b[31m");
    lines.draw();
    for (let i = 0; i < 30; i++) exec(20 + i, 11, `as ${"x".repeat(50)}`);
    lines.close();
    const text = written.join("");
    assert.match(text, /^make\n {2}'cc .*\n {4}'as x+\n/);
    assert.include(text, "... 10 more");
    assert.notInclude(text, "\x1b");
    for (const line of text.split("\n")) assert.isAtMost(line.length, 29);
    written.length = 0;
    const picture = new Live(recorder, screen, "picture");
    picture.draw();
    picture.draw();
    picture.close();
    assert.match(written[0] as string, /^make +\d/);
    assert.include(written[0], "... 28 more");
    assert.deepEqual(written.slice(1, 2), ["\x1b[5A\x1b[J"]);
    assert.equal(written.at(-1), "\x1b[5A\x1b[J");
    // Some terminals say a width of 0.
    written.length = 0;
    new Live(recorder, { ...screen, columns: 0, rows: 0 }, "lines").close();
    assert.match(written[0] as string, /^make\n/);
    yield* Effect.void;
  });

  it("has bounded memory", function* () {
    const recorder = new Recorder(["loop"], Date.now(), 100);
    const long = "x".repeat(100_000);
    const event = (pid: number, argv: ReadonlyArray<string>) =>
      ({
        _tag: "Exec",
        failure: undefined,
        decision: { _tag: "Allow" },
        call: { pid, time: Date.now(), path: "/p", argv, isRetry: false },
      }) as never;
    for (let i = 0; i < 1000; i++) recorder.add(event(7, [long]));
    const [process] = recorder.report().processes;
    assert.isAtMost(process?.execs.length ?? 0, 64);
    assert.isTrue(process?.execs[0]?.isCut);
    for (let i = 0; i < 200; i++) recorder.add(event(10 + i, ["p"]));
    assert.equal(recorder.report().processes.length, 100);
    assert.equal(recorder.report().dropped, 101);
    yield* Effect.void;
  });
});

describe("the page of a report", () => {
  it("shows its text as text, and loads nothing", function* () {
    const page = pageOf(manyProcesses(20));
    assert.notInclude(page, "<img");
    assert.notInclude(page, "</script><b>");
    assert.notMatch(page, /<\w[^>]*\s(src|href)=|url\(/);
    assert.include(page, "default-src 'none'");
    assert.equal(page.match(/<script/g)?.length, 2);
    yield* Effect.void;
  });

  it("has a script that draws only what is seen, and finds what is searched for", function* () {
    const page = pageOf(manyProcesses(5000));
    const { elements, listeners } = openPage(page);
    const rows = elements.get("rows");
    assert.include(elements.get("count")?.textContent, "5000 processes");
    assert.isBelow(rows?.children.length ?? 0, 200);
    assert.isAbove(rows?.children.length ?? 0, 20);
    const [first] = rows?.children ?? [];
    assert.include(first?.children[0]?.textContent, "<img src=x onerror=alert(1)>");
    const search = elements.get("search") as FakeElement;
    search.value = "p4999";
    listeners.get("search input")?.();
    assert.include(elements.get("count")?.textContent, "1 of 5000");
    assert.equal(rows?.children.length, 1);
    rows?.children[0]?.listeners.get("click")?.();
    assert.include(elements.get("details")?.textContent, '[1] "<img src=x onerror=alert(1)>"');
    yield* Effect.void;
  });

  it.skipIf(noBrowser)("is drawn and searched by a real browser", function* () {
    const directory = yield* tempDirectory;
    const path = join(directory, "page.html");
    writeFileSync(path, pageOf(manyProcesses(5000)));
    const page = yield* openBrowser;
    yield* page.open(`file://${path}`);
    const count = () => page.evaluate<string>('document.getElementById("count").textContent');
    const rows = 'document.querySelectorAll(".row").length';
    assert.include(yield* count(), "5000 processes");
    const drawn = yield* page.evaluate<number>(rows);
    assert.isTrue(drawn > 20 && drawn < 200, `${drawn} rows`);
    // What programs have said is text.
    assert.equal(yield* page.evaluate('document.querySelectorAll("img").length'), 0);
    const first = 'document.querySelector(".row .name").textContent';
    assert.include(yield* page.evaluate<string>(first), "<img src=x onerror=alert(1)>");

    yield* page.evaluate("window.scrollTo(0, document.body.scrollHeight)");
    yield* page.until('document.querySelector("#rows").textContent.includes("p4999")');

    yield* page.click("#search");
    yield* page.type("p4999");
    yield* page.until(`${rows} === 1`);
    assert.include(yield* count(), "1 of 5000");
    yield* page.click(".row");
    const details = 'document.getElementById("details").innerText';
    assert.include(yield* page.evaluate<string>(details), '[1] "<img src=x onerror=alert(1)>"');
    assert.deepEqual(page.problems, []);
  });
});

/** As much of an element as the script of the page uses. */
class FakeElement {
  textContent = "";
  value = "";
  className = "";
  hidden = false;
  title = "";
  offsetTop = 0;
  readonly style: Record<string, string> = {};
  children: Array<FakeElement> = [];
  readonly listeners = new Map<string, () => void>();

  append(...children: Array<FakeElement>) {
    this.children.push(...children);
  }

  replaceChildren(...children: Array<FakeElement>) {
    this.children = children;
  }

  addEventListener(name: string, listener: () => void) {
    this.listeners.set(name, listener);
  }
}

/** Runs the script of a page, with as much of a document as it uses. */
const openPage = (page: string) => {
  const [, report = "", script = ""] =
    /<script type="application\/json" id="report">(.*?)<\/script>\n<script>(.*?)<\/script>/s.exec(
      page,
    ) ?? [];
  const elements = new Map<string, FakeElement>();
  const listeners = new Map<string, () => void>();
  for (const id of ["rows", "count", "search", "details", "report"]) {
    const element = new FakeElement();
    element.addEventListener = (name, listener) => listeners.set(`${id} ${name}`, listener);
    elements.set(id, element);
  }
  (elements.get("report") as FakeElement).textContent = report;
  const document = {
    getElementById: (id: string) => elements.get(id),
    createElement: () => new FakeElement(),
  };
  const window = { scrollY: 0, innerHeight: 800, addEventListener: () => {} };
  runInNewContext(script, { document, window });
  return { elements, listeners };
};
