import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { O } from "@rsyscall/abi";
import { type CopyProgress, copyFile, Memfd } from "@rsyscall/handle";
import { it, launchStub, launchStubWith, TEMP_PREFIX } from "@rsyscall/harness";
import { pattern } from "@rsyscall/harness/taskStream";
import { CommandTask } from "@rsyscall/task-command";
import { StdinTask } from "@rsyscall/task-stdin";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { afterAll, assert, beforeAll, describe } from "vitest";
import { script } from "../../packages/task-command/test/worlds.ts";

const PIECE = 16 * 1024 * 1024;
const PIECES = 16;
const SIZE = PIECES * PIECE;

/** Content in which no two pieces are alike. */
const piece = (() => {
  const bytes = pattern(PIECE);
  return (number: number): Buffer => {
    bytes.writeUInt32LE(number, 4 * number);
    return bytes;
  };
})();

const sha256 = (path: string): string => {
  const hash = createHash("sha256");
  const bytes = Buffer.alloc(2 ** 20);
  const fd = openSync(path, "r");
  for (let got = readSync(fd, bytes); got > 0; got = readSync(fd, bytes))
    hash.update(bytes.subarray(0, got));
  closeSync(fd);
  return hash.digest("hex");
};

const plain = script('exec "$@"');

/** Kinds of Threads on this host, whose processes /proc shows. */
const places: ReadonlyArray<
  [name: string, thread: Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>]
> = [
  ["the local thread", LocalThread],
  ["a fork", Effect.flatMap(LocalThread, (thread) => thread.fork())],
  ["a stub", Effect.map(launchStub, ({ call }) => call.thread)],
  [
    "a stub over sockets",
    Effect.map(launchStubWith({ sharedMemory: false }), ({ call }) => call.thread),
  ],
  [
    "a task behind a command's stdin",
    Effect.gen(function* () {
      return (yield* StdinTask.make(yield* LocalThread, plain)).thread;
    }),
  ],
  [
    "a task behind a command's stdin and stdout",
    Effect.gen(function* () {
      return (yield* CommandTask.make(yield* LocalThread, plain)).thread;
    }),
  ],
];

describe("256 MiB", () => {
  const directory = mkdtempSync(join(tmpdir(), `${TEMP_PREFIX}${process.pid}-`));
  const path = join(directory, "source");
  const hash = createHash("sha256");
  let digest: string;

  beforeAll(() => {
    for (let number = 0; number < PIECES; number++) {
      const bytes = piece(number);
      hash.update(bytes);
      writeFileSync(path, bytes, { flag: "a" });
    }
    digest = hash.digest("hex");
  });

  afterAll(() => rmSync(directory, { recursive: true }));

  for (const [name, place] of places)
    it(`arrive unchanged in ${name}, and tell of it meanwhile`, function* () {
      const thread = yield* place;
      const from = yield* (yield* LocalThread).open(path, O.RDONLY);
      const to = yield* Memfd.make(thread.task, "target");
      const told: Array<CopyProgress> = [];
      const onProgress = (progress: CopyProgress) => Effect.sync(() => void told.push(progress));
      assert.equal(yield* copyFile(from, to, { onProgress }), SIZE);
      const dones = told.map(({ done }) => done);
      assert.isAtLeast(dones.length, 64);
      assert.deepEqual(
        dones,
        [...new Set(dones)].sort((a, b) => a - b),
      );
      assert.deepEqual(told.at(-1), { done: SIZE, size: SIZE });
      assert.equal(sha256(`/proc/${thread.task.pid}/fd/${to.near}`), digest);
    });
});
