import { inspect } from "node:util";
import * as connection from "@rsyscall/connection";
import * as epoller from "@rsyscall/epoller";
import * as far from "@rsyscall/far";
import * as handle from "@rsyscall/handle";
import { it, launchStub, tempDirectory } from "@rsyscall/harness";
import * as memory from "@rsyscall/memory";
import * as near from "@rsyscall/near";
import * as nix from "@rsyscall/nix";
import * as seccomp from "@rsyscall/seccomp";
import * as stubServer from "@rsyscall/stub-server";
import * as taskCommand from "@rsyscall/task-command";
import * as taskPersistent from "@rsyscall/task-persistent";
import * as taskSsh from "@rsyscall/task-ssh";
import * as taskStdin from "@rsyscall/task-stdin";
import * as thread from "@rsyscall/thread";
import * as transport from "@rsyscall/transport";
import * as watch from "@rsyscall/watch";
import { Context, Effect } from "effect";
import { assert, describe } from "vitest";

const packages = {
  connection,
  epoller,
  far,
  handle,
  memory,
  near,
  nix,
  seccomp,
  stubServer,
  taskCommand,
  taskPersistent,
  taskSsh,
  taskStdin,
  thread,
  transport,
  watch,
};

/** Serializes as vitest's reports do: it calls `toJSON`, and otherwise follows fields and calls getters. */
const sent = (value: unknown, seen = new Set<unknown>()): unknown => {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return sent(toJSON.call(value), seen);
  if (seen.has(value)) return "again";
  assert.isBelow(seen.add(value).size, 1000, "there is no end");
  const copy: Record<string, unknown> = {};
  for (let at: unknown = value; at && at !== Object.prototype; at = Object.getPrototypeOf(at))
    for (const key of Object.getOwnPropertyNames(at))
      copy[key] = sent((value as Record<string, unknown>)[key], seen);
  return copy;
};

describe("what prints, compares or sends a value", () => {
  it("finds one line in every value that a program meets", function* () {
    const { call } = yield* launchStub;
    const local = yield* thread.LocalThread;
    const server = yield* stubServer.StubServer.make(local, yield* tempDirectory, "other");
    const file = yield* call.thread.open("/dev/null");
    const child = yield* local.spawn(local.environ.sh.args("-c", "read x"), {
      stdin: (yield* local.pipe())[0],
    });
    const values: ReadonlyArray<readonly [value: object, line: RegExp]> = [
      [near.Path.make("/"), /^Path\(\/\)$/],
      [near.Path.make("/a\nb"), /^Path\(\/a\\nb\)$/],
      [file, /^FileDescriptor\(fd \d+ of process \d+\)$/],
      [yield* handle.Socket.pair(local.task), /^\[ Socket\(.*\), Socket\(.*\) \]$/],
      [yield* call.thread.ptr("text"), /^WrittenPointer\(5 bytes for .* in process \d+\)$/],
      [call.thread.task, /^Task\(process \d+\)$/],
      [call.thread, /^Thread\(process \d+\)$/],
      [call, /^StubCall\(process \d+: .*\)$/],
      [call.thread.environ, /^Environment\(\d+ variables\)$/],
      [call.thread.connection, /^LifelineConnection\(from process \d+\)$/],
      [server, /^StubServer\(.*\)$/],
      [local, /^Thread\(process \d+\)$/],
      [yield* local.epoller(), /^Epoller\(.*\)$/],
      [child, /^ChildProcess\(pid \d+\)$/],
      [yield* local.fork(), /^ChildThread\(process \d+\)$/],
      [
        thread.Command.make("/bin/ls", "-l\n").env({ TOKEN: "secret" }),
        /^Command\(env TOKEN=\.\.\. \/bin\/ls '-l\\n'\)$/,
      ],
    ];
    for (const [value, line] of values) {
      assert.match(inspect(value, { getters: true, depth: Number.POSITIVE_INFINITY }), line);
      assert.isBelow(JSON.stringify(value).length, 300);
      assert.isBelow(JSON.stringify(sent({ value })).length, 300);
      const error = new Error("with a value", { cause: { value } });
      assert.isBelow(inspect(error.cause).length, 300);
    }
    assert.equal(JSON.stringify({ path: near.Path.make("/tmp") }), '{"path":"/tmp"}');
  });

  it("finds one in every class that a package exports", function* () {
    const isClass = (value: unknown): value is new () => object =>
      typeof value === "function" &&
      /^class\b/.test(Function.prototype.toString.call(value)) &&
      // LocalThread is the name of a service: there are no values of it.
      !Context.isKey(value);
    const exported = Object.values(packages).flatMap((of) => Object.values(of).filter(isClass));
    assert.isAbove(exported.length, 60);
    for (const { name, prototype } of exported)
      assert.isFunction((prototype as { toJSON?: unknown }).toJSON, name);
    yield* Effect.void;
  });
});
