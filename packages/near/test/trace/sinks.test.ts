import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readSync, statSync } from "node:fs";
import { it, tempDirectory } from "@rsyscall/harness";
import { Effect, Stream, Tracer } from "effect";
import { assert, describe } from "vitest";
import {
  eventSink,
  getpid,
  spanSink,
  straceLine,
  TextOutput,
  type TracedCall,
  type TraceEvent,
  textSink,
  traced,
} from "../../src/index.ts";
import { local } from "../local.ts";
import { scripted } from "./scripted.ts";

const A = 0x10000;
const TIME = String.raw`\d\d:\d\d:\d\d\.\d{6}`;
const wait = (milliseconds: number) =>
  Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, milliseconds)));

/** A task whose calls are told to a sink of text, and takes the text since the last time. */
const texted = () => {
  const written: Array<string> = [];
  const task = scripted(textSink({ write: (text) => void written.push(text) }));
  return { ...task, text: () => written.splice(0).join("") };
};

describe("text", () => {
  it("is a line for each call, as strace -f -tt -T has it", function* () {
    const { call, text } = texted();
    call(0, "getpid");
    assert.match(text(), new RegExp(String.raw`^7 ${TIME} getpid\(\) = 0 <0\.\d{6}>\n$`));
    yield* Effect.void;
  });

  it("shows what was sent together", function* () {
    const task = scripted();
    for (const call of [task.later("getpid"), task.later("getuid")]) call.complete(3);
    const lines = task.calls.map(straceLine);
    assert.match(lines[0] ?? "", /getpid\(\) = 3 <0\.\d{6}>$/);
    assert.match(lines[1] ?? "", /getuid\(\) = 3 <0\.\d{6} behind 1>$/);
    yield* Effect.void;
  });

  it("shows what takes its time before it is done, and then the rest", function* () {
    const { later, text } = texted();
    const call = later("read", 5, A, 10);
    yield* wait(250);
    assert.match(text(), new RegExp(String.raw`^7 ${TIME} read\(5,  <unfinished \.\.\.>\n$`));
    call.complete(0);
    assert.match(
      text(),
      new RegExp(String.raw`^7 ${TIME} <\.\.\. read resumed>"", 10\) = 0 <0\.\d{6}>\n$`),
    );
  });
});

describe("where text goes", () => {
  it("is the end of a file, which only its owner reads", function* () {
    const path = `${yield* tempDirectory}/trace`;
    for (const text of ["one\n", "two\n"]) {
      const output = TextOutput.open(path);
      output.write(text);
      output.flush();
      output.close();
    }
    assert.equal(readFileSync(path, "utf8"), "one\ntwo\n");
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it("never waits for a pipe that is not read, and says what is lost", function* () {
    const path = `${yield* tempDirectory}/fifo`;
    execFileSync("mkfifo", [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const output = TextOutput.open(path);
    const line = `${"x".repeat(99)}\n`;
    const before = performance.now();
    for (let i = 0; i < 20_000; i++) output.write(line);
    output.flush();
    assert.isBelow(performance.now() - before, 1000);
    const buffer = new Uint8Array(65_536);
    let text = "";
    while (!text.includes("are lost")) {
      yield* wait(1);
      for (;;) {
        let count = 0;
        try {
          count = readSync(reader, buffer);
        } catch {
          break;
        }
        if (count === 0) break;
        text += new TextDecoder().decode(buffer.subarray(0, count));
      }
    }
    output.close();
    closeSync(reader);
    const [, lost] = /--- (\d+) lines of the trace are lost/.exec(text) ?? [];
    assert.equal(text.split(line).length - 1 + Number(lost), 20_000);
  });

  it("is given up when its reader has gone", function* () {
    const path = `${yield* tempDirectory}/fifo`;
    execFileSync("mkfifo", [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const output = TextOutput.open(path);
    closeSync(reader);
    output.write("text\n");
    output.flush();
    output.write("more\n");
    output.close();
    yield* Effect.void;
  });
});

describe("events", () => {
  it("are a stream, which ends with the scope and keeps a bounded number", function* () {
    const { sink, events } = yield* eventSink(4);
    const sysif = traced(local, sink);
    for (let i = 0; i < 10; i++) yield* getpid(sysif);
    const taken: ReadonlyArray<TraceEvent> = yield* Stream.runCollect(Stream.take(events, 4));
    assert.deepEqual(
      taken.map(({ _tag }) => _tag),
      ["Started", "Ended", "Started", "Ended"],
    );
    const last = taken.at(-1)?.call as TracedCall;
    assert.equal(String(last), `getpid() = ${process.pid}`);
    assert.equal(last.id - (taken[0]?.call.id as number), 1);
  });
});

describe("spans", () => {
  it("have the span of the fiber as parent, the arguments, and how the call ended", function* () {
    const spans: Array<Tracer.Span> = [];
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options);
        spans.push(span);
        return span;
      },
    });
    const task = scripted();
    yield* Effect.gen(function* () {
      const sink = yield* spanSink();
      const sysif = traced(local, sink, { pid: process.pid });
      yield* Effect.withSpan(getpid(sysif), "work");
      const other = traced(task.bare, sink);
      task.call(-2, "getuid");
      yield* Effect.exit(getpid(other));
    }).pipe(Effect.withTracer(tracer));
    const [work, call, failed] = spans as [Tracer.Span, Tracer.Span, Tracer.Span];
    assert.equal(call.name, "getpid");
    assert.equal(call.parent._tag === "Some" && call.parent.value.spanId, work.spanId);
    assert.equal(call.attributes.get("process.pid"), process.pid);
    assert.equal(call.attributes.get("syscall.result"), String(process.pid));
    assert.equal(call.status._tag, "Ended");
    assert.equal(failed.name, "getpid");
  });
});
