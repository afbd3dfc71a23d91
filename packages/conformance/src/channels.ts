import { O } from "@rsyscall/abi";
import { type FileDescriptor, Memfd, pipe, type Socket } from "@rsyscall/handle";
import { Effect, Fiber } from "effect";
import { type Behaviour, behaviour, topic } from "./Behaviour.ts";
import { pattern, utf8 } from "./internal/bytes.ts";
import { equal, equalBytes, ok } from "./internal/expect.ts";
import { beside, newThread, waiting } from "./internal/subject.ts";

export const channels: ReadonlyArray<Behaviour> = topic("channels", [
  behaviour(
    "opens channels between the controller and the process, for bytes in both directions",
    [],
    function* () {
      const thread = yield* newThread;
      const opened = yield* thread.connection.openAsyncChannels(3);
      equal(opened.length, 3, "how many channels there are");
      for (const [i, [ours, theirs]] of opened.entries()) {
        ok(
          theirs.task.fdTable === thread.task.fdTable,
          "the far end of a channel should be a handle of the process",
        );
        const afd = yield* thread.makeAfd(theirs);
        const sent = pattern(300_000, 50 + i);
        const sending = yield* beside(ours.sendAllBytes(sent));
        const parts: Array<Uint8Array> = [];
        for (let size = 0; size < sent.length; ) {
          const bytes = yield* waiting("bytes of a channel", afd.readBytes());
          ok(bytes.length > 0, "a channel must not end before both sides say so");
          parts.push(bytes);
          size += bytes.length;
        }
        yield* Fiber.join(sending);
        equalBytes(Buffer.concat(parts), sent, `what came through channel ${i}`);
        yield* afd.sendAllBytes(new TextEncoder().encode(`answer ${i}`));
        const answer = yield* waiting("the answer of a channel", ours.readBytes());
        equal(utf8(answer), `answer ${i}`, "the answer");
      }
    },
  ),

  behaviour(
    "opens channels whose ends block, and tells each end of the other's end",
    [],
    function* () {
      const thread = yield* newThread;
      const [[ours, theirs]] = (yield* thread.connection.openChannels(1)) as [[Socket, Socket]];
      equal((yield* ours.statusFlags()) & O.NONBLOCK, 0, "O_NONBLOCK of our end");
      equal((yield* theirs.statusFlags()) & O.NONBLOCK, 0, "O_NONBLOCK of the far end");
      const afd = yield* thread.makeAfd(theirs);
      const reading = yield* beside(afd.readBytes());
      yield* ours.close();
      const bytes = yield* waiting("the end of a channel that we have closed", Fiber.join(reading));
      equal(bytes.length, 0, "the bytes at the end");
    },
  ),

  behaviour(
    "passes descriptors to the process and from it, with the files that they stand for",
    ["fdPassing"],
    function* () {
      const { connection, task } = yield* newThread;
      ok(
        connection.canPass,
        "`connection.canPass` should be true, unless `lacks.fdPassing` says why not",
      );
      const [reader, writer] = yield* pipe(connection.accessTask);
      const [passed] = (yield* connection.passTo([writer])) as [FileDescriptor];
      ok(passed.task.fdTable === task.fdTable, "what was passed should be a handle of the process");
      yield* passed.writeAllText("to us");
      equal(utf8(yield* reader.readBytes()), "to us", "what the process has written to our pipe");
      const file = yield* Memfd.make(task, "passed");
      yield* file.writeAllText("theirs");
      const [ours] = (yield* connection.passFrom([file])) as [FileDescriptor];
      equal((yield* ours.fstat()).ino, (yield* file.fstat()).ino, "the inode of a file of theirs");
    },
  ),

  behaviour(
    "passes more descriptors than the kernel takes at once, in their order",
    ["fdPassing"],
    function* () {
      const { connection, task } = yield* newThread;
      const files = yield* Effect.forEach(
        Array.from({ length: 3 }, (_, i) => i),
        (i) =>
          Effect.tap(Memfd.make(connection.accessTask, `file ${i}`), (file) => file.truncate(i)),
      );
      const many = Array.from({ length: 260 }, (_, i) => files[i % 3] as Memfd);
      const passed = yield* connection.passTo(many);
      equal(passed.length, many.length, "how many descriptors were passed");
      equal(
        new Set(passed.map(({ near }) => near)).size,
        many.length,
        "how many numbers they have",
      );
      for (const [i, fd] of passed.entries())
        if (i > 240) equal((yield* fd.fstat()).size, i % 3, `the size of file ${i}`);
      for (const fd of passed)
        ok(fd.task.fdTable === task.fdTable, "what was passed should be a handle of the process");
    },
  ),
]);
