import { F } from "@rsyscall/abi";
import { getpid } from "@rsyscall/near";
import { Effect, Fiber, Stream } from "effect";
import { type Behaviour, behaviour, topic } from "./Behaviour.ts";
import { pattern, utf8 } from "./internal/bytes.ts";
import { equal, equalBytes, ok } from "./internal/expect.ts";
import { beside, newThread, waiting } from "./internal/subject.ts";

const MiB = 1024 * 1024;

const parts = (bytes: Uint8Array, size: number): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(size * i, size * (i + 1)),
    ),
  );

const collect = <E>(stream: Stream.Stream<Uint8Array, E>): Effect.Effect<Uint8Array, E> =>
  Effect.map(Stream.runCollect(stream), (bytes) => Buffer.concat(bytes));

export const streams: ReadonlyArray<Behaviour> = topic("streams and files", [
  behaviour("streams into a sink what comes out of a stream, byte for byte", [], function* () {
    const thread = yield* newThread;
    const [reader, writer] = yield* thread.pipe();
    const sent = pattern(MiB + 3, 41);
    const writing = yield* beside(
      Effect.andThen(Stream.run(parts(sent, 50_000), thread.sink(writer)), writer.close()),
    );
    const got = yield* waiting("the end of a stream", collect(thread.stream(reader)));
    yield* Fiber.join(writing);
    equalBytes(got, sent, "what came out of the stream");
  }),

  behaviour("streams through asynchronous descriptors, byte for byte", [], function* () {
    const thread = yield* newThread;
    const [reader, writer] = yield* thread.pipe();
    const from = yield* thread.makeAfd(reader);
    const to = yield* thread.makeAfd(writer);
    const sent = pattern(MiB + 3, 42);
    const writing = yield* beside(
      Effect.andThen(Stream.run(parts(sent, 33_333), to.sink), to.close()),
    );
    const got = yield* waiting("the end of a stream", collect(from.stream(10_000)));
    yield* Fiber.join(writing);
    equalBytes(got, sent, "what came out of the stream");
  }),

  behaviour(
    "reads to the end without holding other calls back, and leaves the flags alone",
    [],
    function* () {
      const thread = yield* newThread;
      const [reader, writer] = yield* thread.pipe();
      const before = yield* reader.fcntl(F.GETFL);
      const reading = yield* beside(thread.readToEof(reader));
      equal(
        yield* waiting("the result of a call during readToEof", getpid(thread.task.sysif)),
        thread.task.pid,
        "what getpid gives meanwhile",
      );
      yield* writer.writeAllText("to the ");
      yield* Effect.yieldNow;
      yield* writer.writeAllText("end");
      yield* writer.close();
      equal(
        utf8(yield* waiting("the end of readToEof", Fiber.join(reading))),
        "to the end",
        "what was read",
      );
      equal(yield* reader.fcntl(F.GETFL), before, "the flags of the descriptor");
    },
  ),

  behaviour("ends a readToEof that is interrupted while nothing comes, at once", [], function* () {
    const thread = yield* newThread;
    const [reader, writer] = yield* thread.pipe();
    const reading = yield* beside(thread.readToEof(reader));
    yield* getpid(thread.task.sysif);
    yield* waiting("the end of a fiber that was interrupted", Fiber.interrupt(reading));
    yield* writer.writeAllText("later");
    equal(utf8(yield* reader.readBytes()), "later", "what is read later");
  }),

  behaviour("writes whole files and reads them, of any size", [], function* () {
    const thread = yield* newThread;
    const directory = yield* thread.mkdtemp();
    for (const size of [0, 1, 4096, 3 * MiB + 17]) {
      const bytes = pattern(size, 43);
      yield* thread.spit(`${directory}/file`, bytes);
      equalBytes(yield* thread.slurp(`${directory}/file`), bytes, `a file of ${size} bytes`);
    }
    const { path, file } = yield* thread.mkstemp();
    yield* file.writeAllText("temporary");
    equal(utf8(yield* thread.slurp(path)), "temporary", "what is in a temporary file");
    ok((yield* file.fstat()).size === 9, "a temporary file has what was written to it");
  }),
]);
