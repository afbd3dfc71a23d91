import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { IN, type InotifyEvent } from "@rsyscall/abi";
import { Eventfd, Inotify } from "@rsyscall/handle";
import { it, launchStub, tempDirectory, wires } from "@rsyscall/harness";
import { InvalidArgumentError, type SyscallError } from "@rsyscall/near";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Scope, Stream } from "effect";
import { assert, describe } from "vitest";
import { AsyncEventfd, AsyncInotify } from "../src/index.ts";

const places = [
  ["here", LocalThread],
  ...wires.map(
    ([how, launch]) => [`in a stub ${how}`, Effect.map(launch, ({ call }) => call.thread)] as const,
  ),
] as const;

const make = (thread: Thread) =>
  Effect.flatMap(thread.epoller(), (epoller) =>
    Effect.flatMap(Inotify.make(thread.task), (inotify) => AsyncInotify.make(epoller, inotify)),
  );

const names = (events: ReadonlyArray<InotifyEvent>) => events.map(({ name }) => name);

/** The next events of a stream. */
const next = <E>(stream: Stream.Stream<InotifyEvent, E>, count: number) =>
  Stream.runCollect(Stream.take(stream, count));

const forked = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.forkChild(effect, { startImmediately: true });

/** Whoever was told of something until now has read it and waits again: rounds of the event loop. */
const settled = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const handle = yield* Eventfd.make(thread.task);
  const eventfd = yield* AsyncEventfd.make(yield* thread.epoller(), handle);
  for (let round = 0; round < 10; round++) {
    yield* eventfd.add(1);
    yield* eventfd.wait();
    yield* Effect.yieldNow;
  }
});

/** How many watches the kernel has. */
const watches = ({ handle: { task, near } }: AsyncInotify) =>
  readFileSync(`/proc/${task.pid}/fdinfo/${near}`, "latin1").match(/^inotify wd/gm)?.length ?? 0;

describe("AsyncInotify", () => {
  for (const [where, thread] of places) {
    it(`${where}, gives each watch its own events`, function* () {
      const [one, two] = [yield* tempDirectory, yield* tempDirectory];
      const inotify = yield* make(yield* thread);
      const ones = yield* inotify.watch(one, IN.CREATE);
      const twos = yield* inotify.watch(two, IN.CREATE | IN.DELETE);
      const [reading, other] = [yield* forked(next(ones, 2)), yield* forked(next(twos, 3))];
      yield* Effect.yieldNow;
      assert.isUndefined(reading.pollUnsafe());
      writeFileSync(`${one}/a`, "");
      writeFileSync(`${two}/b`, "");
      rmSync(`${one}/a`);
      rmSync(`${two}/b`);
      writeFileSync(`${one}/c`, "");
      assert.deepEqual(names(yield* Fiber.join(reading)), ["a", "c"]);
      assert.isUndefined(other.pollUnsafe());
      renameSync(`${one}/c`, `${two}/d`);
      writeFileSync(`${two}/e`, "");
      const found = yield* Fiber.join(other);
      assert.deepEqual(names(found), ["b", "b", "e"]);
      assert.deepEqual(
        found.map(({ mask }) => mask),
        [IN.CREATE, IN.DELETE, IN.CREATE],
      );
    });

    it(`${where}, ends the stream of what is gone, after its last events`, function* () {
      const directory = yield* tempDirectory;
      const inotify = yield* make(yield* thread);
      writeFileSync(`${directory}/file`, "");
      const file = yield* inotify.watch(`${directory}/file`, IN.ATTRIB | IN.DELETE_SELF);
      const reading = yield* forked(Stream.runCollect(file));
      rmSync(`${directory}/file`);
      assert.deepEqual(
        (yield* Fiber.join(reading)).map(({ mask }) => mask),
        [IN.ATTRIB, IN.DELETE_SELF],
      );
      assert.deepEqual(yield* Stream.runCollect(file), []);
      // The file that takes the name is another one.
      writeFileSync(`${directory}/file`, "");
      const again = yield* inotify.watch(`${directory}/file`, IN.MODIFY);
      writeFileSync(`${directory}/file`, "more");
      assert.equal((yield* next(again, 1))[0]?.mask, IN.MODIFY);
    });
  }

  it("removes the watch with the scope, and ends the stream", function* () {
    const directory = yield* tempDirectory;
    const inotify = yield* make(yield* LocalThread);
    const scope = yield* Scope.make();
    const stream = yield* Scope.provide(inotify.watch(directory, IN.CREATE), scope);
    const reading = yield* forked(Stream.runCollect(stream));
    yield* Effect.yieldNow;
    assert.equal(watches(inotify), 1);
    yield* Scope.close(scope, Exit.void);
    assert.deepEqual(yield* Fiber.join(reading), []);
    assert.equal(watches(inotify), 0);
    writeFileSync(`${directory}/a`, "");
    // The same directory again, with another watch descriptor: nothing of the first is left.
    const fresh = yield* inotify.watch(directory, IN.CREATE);
    writeFileSync(`${directory}/b`, "");
    assert.deepEqual(names(yield* next(fresh, 1)), ["b"]);
  });

  it("lets many watch the same file, each for what it asked", function* () {
    const directory = yield* tempDirectory;
    const inotify = yield* make(yield* LocalThread);
    const creations = yield* inotify.watch(directory, IN.CREATE);
    writeFileSync(`${directory}/early`, "");
    const scope = yield* Scope.make();
    const deletions = yield* Scope.provide(
      inotify.watch(`${directory}/.`, IN.CREATE | IN.DELETE),
      scope,
    );
    assert.equal(watches(inotify), 1);
    const both = yield* forked(Stream.runCollect(deletions));
    rmSync(`${directory}/early`);
    writeFileSync(`${directory}/late`, "");
    assert.deepEqual(names(yield* next(creations, 2)), ["early", "late"]);
    yield* settled;
    yield* Scope.close(scope, Exit.void);
    assert.deepEqual(
      (yield* Fiber.join(both)).map(({ name, mask }) => [name, mask]),
      [
        ["early", IN.DELETE],
        ["late", IN.CREATE],
      ],
    );
    // Who stays is not disturbed by who leaves.
    assert.equal(watches(inotify), 1);
    const reading = yield* forked(next(creations, 1));
    writeFileSync(`${directory}/last`, "");
    assert.deepEqual(names(yield* Fiber.join(reading)), ["last"]);
  });

  it("ends one stream with ONESHOT, and not those of others", function* () {
    const directory = yield* tempDirectory;
    const inotify = yield* make(yield* LocalThread);
    const once = yield* inotify.watch(directory, IN.CREATE | IN.ONESHOT);
    const always = yield* inotify.watch(directory, IN.CREATE);
    writeFileSync(`${directory}/a`, "");
    writeFileSync(`${directory}/b`, "");
    assert.deepEqual(names(yield* Stream.runCollect(once)), ["a"]);
    assert.deepEqual(names(yield* next(always, 2)), ["a", "b"]);
  });

  it("watches for as long as a stream is read", function* () {
    const directory = yield* tempDirectory;
    const inotify = yield* make(yield* LocalThread);
    const reading = yield* forked(next(inotify.events(directory, IN.CREATE), 1));
    yield* Effect.yieldNow;
    writeFileSync(`${directory}/a`, "");
    assert.deepEqual(names(yield* Fiber.join(reading)), ["a"]);
    assert.equal(watches(inotify), 0);
  });

  it("tells all watches that events were lost", function* () {
    const [busy, idle] = [yield* tempDirectory, yield* tempDirectory];
    const inotify = yield* make(yield* LocalThread);
    const most = Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "latin1"));
    const busys = yield* inotify.watch(busy, IN.ATTRIB | IN.CREATE | IN.DELETE);
    const idles = yield* inotify.watch(idle, IN.CREATE | IN.DELETE_SELF);
    for (let i = 0; i <= most / 2; i++) {
      writeFileSync(`${busy}/file`, "");
      rmSync(`${busy}/file`);
    }
    const seen = yield* Stream.runCollect(
      Stream.takeUntil(busys, ({ mask }) => mask === IN.Q_OVERFLOW),
    );
    assert.lengthOf(seen, most + 1);
    assert.deepInclude(seen.at(-1), { wd: -1, mask: IN.Q_OVERFLOW, name: undefined });
    assert.deepEqual(
      (yield* next(idles, 1)).map(({ mask }) => mask),
      [IN.Q_OVERFLOW],
    );
    // It goes on.
    writeFileSync(`${idle}/a`, "");
    assert.deepEqual(names(yield* next(idles, 1)), ["a"]);
  });

  it("keeps no more for a stream that nobody reads than the kernel would", function* () {
    const [ignored, read] = [yield* tempDirectory, yield* tempDirectory];
    const inotify = yield* make(yield* LocalThread);
    const ignoreds = yield* inotify.watch(ignored, IN.CREATE | IN.DELETE);
    const reads = yield* inotify.watch(read, IN.CREATE);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 2000; i++) {
        writeFileSync(`${ignored}/file`, "");
        rmSync(`${ignored}/file`);
      }
      writeFileSync(`${read}/${round}`, "");
      assert.deepEqual(names(yield* next(reads, 1)), [String(round)]);
    }
    const kept = yield* next(ignoreds, 16385);
    assert.equal(kept.at(-2)?.mask, IN.DELETE);
    assert.equal(kept.at(-1)?.mask, IN.Q_OVERFLOW);
  });

  it("loses nothing when readers are interrupted", function* () {
    const directory = yield* tempDirectory;
    const inotify = yield* make(yield* LocalThread);
    const stream = yield* inotify.watch(directory, IN.CREATE);
    const other = yield* inotify.watch("/", IN.DELETE_SELF);
    const [first, second] = [yield* forked(next(other, 1)), yield* forked(next(stream, 1))];
    yield* Effect.yieldNow;
    // The first of them waits for both.
    yield* Fiber.interrupt(first);
    writeFileSync(`${directory}/a`, "");
    assert.deepEqual(names(yield* Fiber.join(second)), ["a"]);
  });

  it("says what is wrong with a path or a mask", function* () {
    const directory = yield* tempDirectory;
    const inotify = yield* make(yield* LocalThread);
    writeFileSync(`${directory}/file`, "");
    const syscall = "inotify_add_watch";
    for (const [path, mask, errno] of [
      [`${directory}/missing`, IN.CREATE, "ENOENT"],
      [`${directory}/file`, IN.CREATE | IN.ONLYDIR, "ENOTDIR"],
    ] as const) {
      const error = (yield* Effect.flip(inotify.watch(path, mask))) as SyscallError;
      assert.deepInclude({ ...error }, { errno, subject: path, syscall });
    }
    for (const [path, mask, argument] of [
      [`${directory}\0`, IN.CREATE, "path"],
      [directory, 0, "mask"],
      [directory, IN.ONLYDIR, "mask"],
      [directory, IN.CREATE | IN.MASK_ADD, "mask"],
      [directory, IN.CREATE | IN.MASK_CREATE, "mask"],
    ] as const) {
      const error = yield* Effect.flip(inotify.watch(path, mask));
      assert.instanceOf(error, InvalidArgumentError);
      assert.deepInclude({ ...error }, { argument, syscall });
    }
    assert.equal(watches(inotify), 0);
  });

  it("that is closed tells those who read", function* () {
    const [one, two] = [yield* tempDirectory, yield* tempDirectory];
    const inotify = yield* make(yield* LocalThread);
    const reading = [
      yield* forked(Effect.flip(Stream.runCollect(yield* inotify.watch(one, IN.CREATE)))),
      yield* forked(Effect.flip(Stream.runCollect(yield* inotify.watch(two, IN.CREATE)))),
    ];
    yield* Effect.yieldNow;
    yield* inotify.close();
    for (const fiber of reading) assert.equal((yield* Fiber.join(fiber))._tag, "UseAfterFreeError");
  });

  it("that is no longer registered tells those who read", function* () {
    const thread = yield* LocalThread;
    const { task } = thread;
    const handle = yield* Inotify.make(task);
    const scope = yield* Scope.make();
    const inotify = yield* Scope.provide(AsyncInotify.make(yield* thread.epoller(), handle), scope);
    const stream = yield* inotify.watch(yield* tempDirectory, IN.CREATE);
    const reading = yield* forked(Effect.flip(Stream.runCollect(stream)));
    yield* settled;
    yield* Scope.close(scope, Exit.void);
    assert.equal((yield* Fiber.join(reading))._tag, "UseAfterFreeError");
  });

  it("fails with its task", function* () {
    const { call, caller } = yield* launchStub;
    const inotify = yield* make(call.thread);
    const directory = yield* tempDirectory;
    const reading = yield* forked(
      Effect.flip(Stream.runCollect(yield* inotify.watch(directory, IN.CREATE))),
    );
    yield* caller.kill("SIGKILL");
    assert.include(["SyscallHangup", "SyscallSendError"], (yield* Fiber.join(reading))._tag);
  });
});
