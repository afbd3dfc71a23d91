import { readdirSync } from "node:fs";
import { SHUT, SIG } from "@rsyscall/abi";
import { type AsyncFileDescriptor, AsyncReadBuffer } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import { eventually, it } from "@rsyscall/harness";
import { pattern, WINDOW } from "@rsyscall/harness/taskStream";
import { getppid } from "@rsyscall/near";
import { Command, type Thread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { assert, describe } from "vitest";
import { launchTask } from "./launchTask.ts";

/*
 * The multiplexer and the connection with `rsyscall-task command` at the far side of the stream.
 */

type Client = AsyncFileDescriptor<Socket>;

/** All bytes until the end. */
const readToEnd = (client: Client): Effect.Effect<Buffer, HandleFailure> => {
  const parts: Array<Uint8Array> = [];
  const more: Effect.Effect<Buffer, HandleFailure> = Effect.flatMap(client.readBytes(), (bytes) => {
    parts.push(bytes);
    return bytes.length === 0 ? Effect.succeed(Buffer.concat(parts)) : more;
  });
  return more;
};

/** A program of the far side with a channel as its stdin and stdout. */
const run = (thread: Thread, ...command: [string, ...Array<string>]) =>
  Effect.gen(function* () {
    const [[client, far]] = (yield* thread.connection.openAsyncChannels(1)) as [[Client, Socket]];
    const child = yield* thread.spawn(Command.make(...command), { stdin: far, stdout: far });
    yield* far.close();
    return { client, child };
  });

const descriptors = (pid: number | "self") => readdirSync(`/proc/${pid}/fd`).length;

describe("a multiplexer with rsyscall-task at the far side", () => {
  it("carries bytes of many channels, both ways at once, and their ends", function* () {
    const { mux, thread } = yield* launchTask();
    yield* thread.epoller();
    const { channels } = mux.stats;
    yield* Effect.forEach(
      Array.from({ length: 40 }, (_, i) => i),
      (i) =>
        Effect.scoped(
          Effect.gen(function* () {
            const { client, child } = yield* run(thread, "/bin/cat");
            const bytes = pattern(1 + ((i * 104729) % 300_000) + (i === 0 ? 5 * WINDOW : 0), i);
            const writing = Effect.andThen(
              client.sendAllBytes(bytes),
              client.handle.shutdown(SHUT.WR),
            );
            const [, got] = yield* Effect.all([writing, readToEnd(client)], { concurrency: 2 });
            assert.isTrue(got.equals(bytes), `${bytes.length} bytes`);
            assert.isTrue((yield* child.wait()).clean);
          }),
        ),
      { concurrency: "unbounded" },
    );
    yield* eventually(() => mux.stats.channels === channels);
  });

  it("tells each side of the other's end", function* () {
    const { thread } = yield* launchTask();
    // A hang-up here is the end of stdin there; one there is a hang-up here.
    const { client, child } = yield* run(thread, "/bin/cat");
    yield* client.close();
    assert.isTrue((yield* child.wait()).clean);
    const gone = yield* run(thread, "/bin/echo", "last words");
    assert.equal((yield* readToEnd(gone.client)).toString(), "last words\n");
    const isBroken = Effect.flip(Effect.forever(gone.client.sendAllBytes(new Uint8Array(1))));
    assert.include((yield* isBroken).message, "EPIPE");
    // A shutdown is one of that direction only: the program says something afterwards.
    const half = yield* run(thread, "/bin/sh", "-c", "wc -c; echo done");
    yield* half.client.sendAllBytes(new Uint8Array(12345));
    yield* half.client.handle.shutdown(SHUT.WR);
    assert.match((yield* readToEnd(half.client)).toString(), /12345\ndone\n$/);
    const deaf = yield* run(thread, "/bin/sh", "-c", "exec <&-; echo deaf");
    assert.match((yield* readToEnd(deaf.client)).toString(), /^deaf\n$/);
  });

  it("lets others pass when one side does not read", function* () {
    const { thread } = yield* launchTask();
    const channels = yield* thread.connection.openAsyncChannels(2);
    const [[slow, unread], [silent, loud]] = channels as [[Client, Socket], [Client, Socket]];
    // There.
    const bytes = pattern(4 * WINDOW);
    const writing = yield* Effect.forkChild(slow.sendAllBytes(bytes));
    // Here.
    const talker = yield* thread.spawn(
      Command.make("/usr/bin/head", "-c", `${4 * WINDOW}`, "/dev/zero"),
      {
        stdout: loud,
      },
    );
    yield* loud.close();
    for (let round = 0; round < 5; round++) {
      const { client } = yield* run(thread, "/bin/echo", "passed");
      assert.equal((yield* readToEnd(client)).toString(), "passed\n");
      const much = pattern(3 * WINDOW, round);
      yield* Effect.scoped(
        Effect.gen(function* () {
          const pointer = yield* thread.ptr(new Uint8Array(much));
          assert.isTrue(Buffer.from(yield* pointer.read()).equals(much));
        }),
      );
    }
    assert.isUndefined(writing.pollUnsafe());
    const zeroes = yield* new AsyncReadBuffer(silent).readLength(4 * WINDOW);
    assert.isTrue(zeroes.every((byte) => byte === 0));
    assert.isTrue((yield* talker.wait()).clean);
    const [reader, writer] = yield* thread.pipe();
    const counter = yield* thread.spawn(Command.make("/usr/bin/cksum"), {
      stdin: unread,
      stdout: writer,
    });
    yield* unread.close();
    yield* writer.close();
    yield* Fiber.join(writing);
    yield* slow.handle.shutdown(SHUT.WR);
    assert.match(yield* thread.readTextToEof(reader), new RegExp(`^\\d+ ${4 * WINDOW}\n$`));
    assert.isTrue((yield* counter.wait()).clean);
  });

  it("opens and closes channels without end", function* () {
    const { mux, thread } = yield* launchTask();
    const muxPid = yield* getppid(thread.task.sysif);
    const { channels } = mux.stats;
    const [before, beforeThere] = [descriptors("self"), descriptors(muxPid)];
    for (let round = 0; round < 60; round++)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const opened = yield* thread.connection.openChannels(1 + round);
          for (const [i, [access, far]] of opened.entries())
            if (i % 3 === 0) yield* access.writeAllText("unread");
            else if (i % 3 === 1) yield* far.close();
            else if (i % 3 === 2) yield* access.close();
        }),
      );
    yield* eventually(() => mux.stats.channels === channels);
    assert.equal(descriptors("self"), before);
    yield* eventually(() => descriptors(muxPid) === beforeThere);
  });

  it("ends when the process does, and the command with it", function* () {
    const { mux, thread, process } = yield* launchTask();
    const { client } = yield* run(thread, "/bin/sh", "-c", "head -c 600000 /dev/zero; read line");
    yield* thread.exit(0);
    assert.equal((yield* Effect.flip(mux.ended())).message, "it has ended");
    assert.isTrue((yield* process.wait()).clean);
    // What it had said comes all the same.
    yield* readToEnd(client);
    assert.equal(mux.stats.channels, 0);
  });

  it("ends when the command is killed", function* () {
    const { mux, thread, process } = yield* launchTask();
    const { client } = yield* run(thread, "/bin/cat");
    yield* process.kill(SIG.KILL);
    yield* Effect.flip(mux.ended());
    assert.include((yield* Effect.flip(client.readBytes())).message, "ECONNRESET");
    const refused = yield* Effect.flip(thread.connection.openChannels(1));
    // And no error of a socket that is internal here.
    assert.equal((yield* Effect.flip(thread.fork()))._tag, "SyscallSendError");
    assert.equal(refused._tag, "SyscallSendError");
  });
});
