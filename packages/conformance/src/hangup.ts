import { Bytes } from "@rsyscall/abi";
import { Memfd, pipe } from "@rsyscall/handle";
import { batchExits, getpid, pipelined, write } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { type Behaviour, behaviour, topic } from "./Behaviour.ts";
import { pattern } from "./internal/bytes.ts";
import { equal, equalBytes, failed, failing, ok } from "./internal/expect.ts";
import { beside, cut, newThread, waiting } from "./internal/subject.ts";

const MiB = 1024 * 1024;

/** The errors of a call that may or may not have been sent. */
const GONE = ["SyscallHangup", "SyscallSendError"];

/** The error of a call after the end was seen: nothing is sent. */
const UNSENT = ["SyscallSendError"];

/** Cuts a Thread, and continues when its end is seen: from then on nothing is sent. */
const cutAndSee = Effect.fnUntraced(function* (thread: Thread) {
  yield* cut(thread);
  yield* untilSeen(thread);
});

const untilSeen = (thread: Thread) => {
  const ask: Effect.Effect<unknown> = Effect.suspend(() =>
    Effect.matchEffect(getpid(thread.task.sysif), {
      onSuccess: () => Effect.andThen(Effect.yieldNow, ask),
      onFailure: Effect.succeed,
    }),
  );
  return Effect.map(waiting("a call that fails after the Thread was cut", ask), (error) =>
    ok(
      GONE.includes((error as { readonly _tag: string })._tag),
      `a call at the time of a cut should fail with ${GONE.join(" or ")}, and failed with ${error}`,
    ),
  );
};

export const hangup: ReadonlyArray<Behaviour> = topic("at a hang-up", [
  behaviour(
    "fails calls with SyscallSendError once it has ended, at once and for good",
    ["cut"],
    function* () {
      const thread = yield* newThread;
      const { sysif } = thread.task;
      equal(yield* getpid(sysif), thread.task.pid, "what getpid gives before");
      yield* cutAndSee(thread);
      for (let i = 0; i < 3; i++) yield* failing(getpid(sysif), UNSENT, "a call after the end");
      for (const exit of yield* batchExits([getpid(sysif), getpid(sysif)]))
        ok(
          failed(exit, UNSENT, "a call of a batch after the end") !== undefined,
          "a batch should fail",
        );
      yield* failing(sysif.barrier(), UNSENT, "a barrier after the end");
      yield* failing(thread.pipe(), UNSENT, "an operation after the end");
      yield* failing(thread.fork(), UNSENT, "a fork after the end");
      yield* failing(thread.run(thread.environ.sh), UNSENT, "a run after the end");
    },
  ),

  behaviour(
    "fails what uses the Thread's own descriptors with SyscallSendError, and not as if the caller had closed them",
    ["cut"],
    function* () {
      const thread = yield* newThread;
      const { connection } = thread;
      const epoller = yield* thread.epoller();
      const [reader] = yield* thread.pipe();
      const afd = yield* thread.makeAfd(reader);
      const [closed] = yield* thread.pipe();
      yield* closed.close();
      yield* cutAndSee(thread);
      yield* failing(epoller.register(reader), UNSENT, "a registration after the end");
      yield* failing(
        epoller.watch(reader, () => {}),
        UNSENT,
        "a watch after the end",
      );
      yield* failing(afd.readBytes(), UNSENT, "a read of what was registered, after the end");
      yield* failing(thread.makeAfd(reader), UNSENT, "`makeAfd` after the end");
      // A task that shares the descriptors of another task gets its channels from that one.
      const opened = yield* Effect.exit(connection.openChannels(2));
      failed(opened, UNSENT, "`openChannels` after the end");
      const openedAsync = yield* Effect.exit(connection.openAsyncChannels(2));
      failed(openedAsync, UNSENT, "`openAsyncChannels` after the end");
      if (connection.canPass) {
        const [ours] = yield* pipe(connection.accessTask);
        const given = yield* Effect.exit(connection.passTo([ours]));
        failed(given, UNSENT, "`passTo` after the end");
        const taken = yield* Effect.exit(connection.passFrom([reader]));
        failed(taken, UNSENT, "`passFrom` after the end");
      }
      yield* failing(thread.fork(), UNSENT, "a fork after the end");
      yield* failing(thread.spawn(thread.environ.sh), UNSENT, "a spawn after the end");
      yield* failing(thread.ptr("text"), UNSENT, "`ptr` after the end");
      yield* failing(
        closed.readBytes(),
        ["UseAfterFreeError"],
        "the use of what the caller has closed",
      );
    },
  ),

  behaviour("fails memory with SyscallSendError once it has ended", ["cut"], function* () {
    const thread = yield* newThread;
    const { task } = thread;
    yield* task.withMemory(MiB, 8, (address) =>
      Effect.gen(function* () {
        yield* cutAndSee(thread);
        yield* failing(task.sysif.read(address, 100), UNSENT, "a read of memory after the end");
        yield* failing(task.sysif.write(address, pattern(100)), UNSENT, "a write after the end");
        yield* failing(task.sysif.read(address, MiB), UNSENT, "a long read after the end");
      }),
    );
  }),

  behaviour(
    "fails the call that is under way with SyscallHangup, and those behind it",
    ["cut", "ownProcess", "children"],
    function* () {
      const thread = yield* newThread;
      const { sysif } = thread.task;
      const [reader, writer] = yield* thread.pipe();
      const helper = yield* thread.fork();
      const theirs = yield* helper.makeAfd(yield* reader.inherit(helper.task));
      // More than a pipe holds: the call is under way once some of the bytes arrive, and does not end.
      const buffer = yield* thread.malloc(Bytes, MiB);
      const writing = yield* beside(write(sysif, writer.near, yield* buffer.address(), MiB));
      const behind = yield* Effect.forEach(Array.from({ length: 100 }), () =>
        beside(getpid(sysif)),
      );
      yield* waiting("what a call that blocks has written first", theirs.readBytes(1));
      yield* cut(thread);
      yield* waiting(
        "the end of a call that was under way when the Thread was cut",
        failing(Fiber.join(writing), ["SyscallHangup"], "a call that was under way"),
      );
      for (const fiber of behind)
        yield* waiting(
          "the end of a call that waited behind another when the Thread was cut",
          failing(Fiber.join(fiber), GONE, "a call behind it"),
        );
      yield* failing(getpid(sysif), UNSENT, "a call after the end");
    },
  ),

  behaviour(
    "gives each of many calls in flight its result or a typed error, in their order",
    ["cut"],
    function* () {
      const thread = yield* newThread;
      const { task } = thread;
      const { near } = yield* Memfd.make(task, "in flight");
      const lseek = task.abi.syscallNumber("lseek") as number;
      const calls = yield* beside(
        pipelined(
          Array.from({ length: 1000 }, () => Effect.exit(task.sysif.syscall(lseek, near, 1, 1))),
        ),
      );
      yield* cut(thread);
      const exits = yield* waiting(
        "the end of calls that were in flight when the Thread was cut",
        Fiber.join(calls),
      );
      let first: string | undefined;
      for (const [i, exit] of exits.entries()) {
        const error = failed(exit, GONE, `call ${i}`);
        if (error === undefined) {
          equal(first, undefined, `what failed before call ${i}, which succeeded`);
          equal(exit._tag === "Success" && exit.value, i + 1, `the result of call ${i}`);
        } else {
          // Once a call was not sent, no later call was.
          if (first === "SyscallSendError") equal(error._tag, first, `the error of call ${i}`);
          first = error._tag;
        }
      }
    },
  ),

  behaviour("ends memory that is on its way: whole, or with a typed error", ["cut"], function* () {
    const thread = yield* newThread;
    const { task } = thread;
    const size = 2 * MiB;
    const bytes = pattern(size, 61);
    yield* task.withMemory(size, 8, (address) =>
      Effect.gen(function* () {
        yield* task.sysif.write(address, bytes);
        const moving = yield* beside(
          pipelined(
            Array.from({ length: 16 }, (_, i) =>
              Effect.exit<Uint8Array | void, unknown, never>(
                i % 2 ? task.sysif.write(address, bytes) : task.sysif.read(address, size),
              ),
            ),
          ),
        );
        yield* Effect.yieldNow;
        yield* cut(thread);
        const exits = yield* waiting(
          "the end of memory that was on its way when the Thread was cut",
          Fiber.join(moving),
        );
        for (const [i, exit] of exits.entries()) {
          failed(exit, GONE, `a ${i % 2 ? "write" : "read"} of memory`);
          if (exit._tag === "Success" && exit.value !== undefined)
            equalBytes(exit.value, bytes, "what was read of memory");
        }
        yield* untilSeen(thread);
      }),
    );
  }),

  behaviour(
    "wakes fibers that wait for a descriptor of the process, with an error",
    ["cut"],
    function* () {
      const thread = yield* newThread;
      const [reader] = yield* thread.pipe();
      const afd = yield* thread.makeAfd(reader);
      const [other] = yield* thread.pipe();
      const fibers = [
        yield* beside(afd.readBytes()),
        yield* beside(Effect.forever(afd.readBytes())),
        yield* beside(thread.readToEof(other)),
      ];
      yield* getpid(thread.task.sysif);
      yield* cut(thread);
      for (const fiber of fibers)
        yield* waiting(
          "the end of a fiber that waited for bytes when the Thread was cut",
          failing(
            Fiber.join(fiber as Fiber.Fiber<unknown, unknown>),
            GONE,
            "a fiber that waited for bytes of the process",
          ),
        );
    },
  ),

  behaviour(
    "takes its children along, and all that waits for them",
    ["cut", "children"],
    function* () {
      const thread = yield* newThread;
      const child = yield* thread.fork();
      const grandchild = yield* child.fork();
      const ends = [
        yield* beside(Effect.exit(child.process.wait())),
        yield* beside(Effect.exit(grandchild.process.wait())),
      ];
      yield* cut(thread);
      for (const one of [child, grandchild]) yield* untilSeen(one);
      for (const end of ends)
        yield* waiting("the end of waiting for children of a Thread that was cut", Fiber.join(end));
    },
  ),

  behaviour("ends what waits for a program", ["cut", "programs"], function* () {
    const thread = yield* newThread;
    const [input] = yield* thread.pipe();
    const command = thread.environ.sh.args("-c", "read never");
    const running = yield* beside(Effect.exit(thread.run(command, { stdin: input })));
    const process = yield* thread.spawn(command, { stdin: input });
    yield* cut(thread);
    yield* waiting("the end of `run` when the Thread was cut", Fiber.join(running));
    yield* waiting("the end of `wait` when the Thread was cut", Effect.exit(process.wait()));
  }),

  behaviour(
    "ends channels: the controller's ends see the end of the stream",
    ["cut"],
    function* () {
      const thread = yield* newThread;
      const [channel] = yield* thread.connection.openAsyncChannels(1);
      ok(channel !== undefined, "there should be a channel");
      const [ours] = channel;
      const reading = yield* beside(Effect.exit(ours.readBytes()));
      yield* cut(thread);
      const exit = yield* waiting(
        "the end of a channel whose far side was cut",
        Fiber.join(reading),
      );
      if (exit._tag === "Success") equal(exit.value.length, 0, "the bytes at the end of a channel");
    },
  ),

  behaviour("closes the scopes of all that was made in the process", ["cut"], function* () {
    const thread = yield* newThread;
    yield* waiting(
      "the end of a scope with memory, descriptors and waits of a Thread that was cut",
      Effect.scoped(
        Effect.gen(function* () {
          yield* thread.ptr("memory");
          const [reader, writer] = yield* thread.pipe();
          yield* thread.makeAfd(reader);
          yield* writer.dup();
          yield* Memfd.make(thread.task, "memfd");
          yield* thread.epoller();
          yield* cut(thread);
        }),
      ),
    );
    yield* untilSeen(thread);
  }),

  behaviour("leaves other Threads alone", ["cut"], function* () {
    const [first, second] = [yield* newThread, yield* newThread];
    const [reader, writer] = yield* second.pipe();
    const afd = yield* second.makeAfd(reader);
    const reading = yield* beside(afd.readBytes());
    yield* cutAndSee(first);
    equal(yield* getpid(second.task.sysif), second.task.pid, "what getpid gives in another Thread");
    yield* writer.writeAllText("alive");
    const bytes = yield* waiting("the wake-up of a reader in another Thread", Fiber.join(reading));
    equal(new TextDecoder().decode(bytes), "alive", "what was read in another Thread");
  }),

  behaviour("can be closed by the controller, with the same result", ["ownProcess"], function* () {
    const { task } = yield* newThread;
    yield* task.sysif.close();
    yield* failing(getpid(task.sysif), UNSENT, "a call after the controller has closed");
    yield* task.sysif.close();
  }),
]);
