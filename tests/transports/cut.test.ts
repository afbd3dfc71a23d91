import { existsSync, readFileSync } from "node:fs";
import { SHUT, SIG } from "@rsyscall/abi";
import { type AsyncFileDescriptor, AsyncReadBuffer } from "@rsyscall/epoller";
import type { Socket } from "@rsyscall/handle";
import { eventually, hasEnded, it, tempDirectory } from "@rsyscall/harness";
import { CommandTask } from "@rsyscall/task-command";
import { Command, LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope, Stream } from "effect";
import { assert, describe } from "vitest";

/*
 * A cut link is not the end of a stream: a reader must not take a part for the whole.
 */

const BYTES = 300_000;

/** A way to read everything from our end of a channel; gives the number of bytes. */
type Read = (local: Thread, end: Socket) => Effect.Effect<number, unknown, Scope.Scope>;

const asynchronously = (
  read: (afd: AsyncFileDescriptor<Socket>) => Effect.Effect<number, unknown>,
): Read => {
  const all = (afd: AsyncFileDescriptor<Socket>, sum: number): Effect.Effect<number, unknown> =>
    Effect.flatMap(read(afd), (count) =>
      count === 0 ? Effect.succeed(sum) : all(afd, sum + count),
    );
  return (local, end) =>
    Effect.flatMap(local.makeAfd(end), (afd) => all(afd as AsyncFileDescriptor<Socket>, 0));
};

const ways: Readonly<Record<string, Read>> = {
  readBytes: asynchronously((afd) => Effect.map(afd.readBytes(), ({ length }) => length)),
  recvBytes: asynchronously((afd) => Effect.map(afd.recvBytes(), ({ length }) => length)),
  takeBytes: asynchronously((afd) => afd.takeBytes(65536, ({ length }) => length)),
  receiveFds: asynchronously((afd) =>
    Effect.scoped(Effect.map(afd.receiveFds(65536, 1), ({ bytes }) => bytes.length)),
  ),
  readToEof: (local, end) => Effect.map(local.readToEof(end), ({ length }) => length),
  "a Stream": (local, end) =>
    Stream.runFold(
      local.stream(end),
      () => 0,
      (sum, { length }) => sum + length,
    ),
  AsyncReadBuffer: (local, end) =>
    Effect.flatMap(local.makeAfd(end), (afd) =>
      Effect.map(new AsyncReadBuffer(afd).readLength(2 * BYTES), ({ length }) => length),
    ),
  "splice(2)": (local, end) =>
    Effect.gen(function* () {
      const [reader, writer] = yield* local.pipe();
      const [from, to] = yield* Effect.all([local.makeAfd(end), local.makeAfd(writer)]);
      const splicing = Effect.ensuring(from.spliceTo(to), Effect.ignore(to.close()));
      const [count] = yield* Effect.all([splicing, local.readToEof(reader)], { concurrency: 2 });
      return count;
    }),
};

/** States of our end before it is read. */
const states: Readonly<
  Record<string, (end: Socket) => Effect.Effect<Socket, unknown, Scope.Scope>>
> = {
  "as it is": Effect.succeed,
  "that writes no more": (end) => Effect.as(end.shutdown(SHUT.WR), end),
  "that has written, and writes no more": (end) =>
    Effect.as(Effect.andThen(Effect.ignore(end.writeAllText("x")), end.shutdown(SHUT.WR)), end),
  "of another number": (end) => Effect.tap(end.dup(), () => end.close()),
};

const launched = Effect.gen(function* () {
  const local = yield* LocalThread;
  const task = yield* CommandTask.make(local, (...words) => Command.make(...words));
  return { local, task, thread: task.thread };
});

/** Starts a program at the far side that writes to a channel, and gives our end once it has written. */
const writing = (thread: Thread, script: string) =>
  Effect.gen(function* () {
    const [[end, far]] = (yield* thread.connection.openChannels(1)) as [[Socket, Socket]];
    const [reader, writer] = yield* thread.pipe();
    yield* thread.spawn(Command.make("/bin/sh", "-c", script), { stdout: far, stderr: writer });
    yield* far.close();
    yield* writer.close();
    return { end, hasWritten: Effect.asVoid(reader.readBytes(1)) };
  });

const reset = /ECONNRESET: Connection reset by peer/;

describe("a stream that is cut", () => {
  for (const [how, read] of Object.entries(ways))
    for (const [what, become] of Object.entries(states))
      it(`is told of by ${how}, from an end ${what}`, function* () {
        const { local, task, thread } = yield* launched;
        const { end, hasWritten } = yield* writing(
          thread,
          `head -c ${BYTES} /dev/zero; echo >&2; exec sleep 60`,
        );
        const used = yield* become(end);
        const cutting = Effect.andThen(hasWritten, task.process.kill(SIG.KILL));
        const [error] = yield* Effect.all([Effect.flip(read(local, used)), cutting], {
          concurrency: 2,
        });
        assert.match(String(error), reset);
      });

  it("is told to a program that reads it", function* () {
    for (const become of Object.values(states).slice(0, 3))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { local, task, thread } = yield* launched;
          const { end } = yield* writing(thread, "echo half; exec sleep 60");
          const used = yield* become(end);
          const [reader, writer] = yield* local.pipe();
          const cat = yield* local.spawn(Command.make("/bin/cat"), {
            stdin: used,
            stdout: writer,
            stderr: writer,
          });
          yield* writer.close();
          const output = yield* local.makeAfd(reader);
          assert.equal(String(Buffer.from(yield* output.readBytes())), "half\n");
          yield* task.process.kill(SIG.KILL);
          assert.match(yield* local.readTextToEof(reader), /reset by peer/);
          assert.equal((yield* cat.wait()).exitStatus, 1);
        }),
      );
  });
});

describe("a stream that has come to its end", () => {
  for (const [how, read] of Object.entries(ways).filter(([how]) => how !== "AsyncReadBuffer"))
    for (const [what, become] of Object.entries(states))
      it(`is read as a whole by ${how}, from an end ${what}`, function* () {
        const { local, thread } = yield* launched;
        const { end } = yield* writing(thread, `head -c ${BYTES} /dev/zero`);
        assert.equal(yield* read(local, yield* become(end)), BYTES);
      });

  it("is so when it ended before the stream was cut", function* () {
    const { local, task, thread } = yield* launched;
    const { end } = yield* writing(thread, "echo whole");
    yield* end.shutdown(SHUT.WR);
    const afd = yield* local.makeAfd(end);
    yield* afd.waitForRdhup();
    yield* task.process.kill(SIG.KILL);
    yield* task.ended();
    assert.equal(yield* local.readTextToEof(end), "whole\n");
  });
});

describe("a far program that reads", () => {
  it("does not take a stream that is cut for one that has ended", function* () {
    const directory = yield* tempDirectory;
    for (let i = 0; i < 10; i++) {
      const [part, whole] = [`${directory}/part${i}`, `${directory}/whole${i}`];
      const pid = yield* Effect.scoped(
        Effect.gen(function* () {
          const { thread } = yield* launched;
          const [[end, far]] = (yield* thread.connection.openChannels(1)) as [[Socket, Socket]];
          const child = yield* thread.spawn(
            Command.make("/usr/bin/python3", "-c", RENAMES, part, whole),
            { stdin: far },
          );
          yield* far.close();
          yield* end.writeAllText("half");
          yield* eventually(() => existsSync(part) && readFileSync(part).length === 4);
          return child.pid;
        }),
      );
      yield* eventually(() => hasEnded(pid));
      assert.isFalse(existsSync(whole));
    }
  });
});

/** Copies stdin to a file, and renames the file at the end of the input. */
const RENAMES = `import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
while part := os.read(0, 65536): os.write(file, part)
os.rename(sys.argv[1], sys.argv[2])`;
