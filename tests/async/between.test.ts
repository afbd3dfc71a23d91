import { begin, inFork, inStub, it, turn } from "@rsyscall/harness";
import { Effect, Fiber, Stream } from "effect";
import { assert, describe } from "vitest";

const SIZE = 4 * 1024 * 1024;

/** No two parts of it are alike. */
const content = Buffer.from(
  Uint32Array.from({ length: SIZE / 4 }, (_, i) => i * 2654435761).buffer,
);

describe("a stream from one Thread to another", () => {
  it("carries every byte, and takes no more than the other has room for", function* () {
    const [from, to] = [yield* inFork[1], yield* inStub[1]];
    const [reader, writer] = yield* from.pipe();
    const [result, into] = yield* to.pipe();
    const writing = yield* begin(Effect.andThen(from.writeAll(writer, content), writer.close()));
    let taken = 0;
    const counted = Stream.tap(from.stream(reader), (part) =>
      Effect.sync(() => {
        taken += part.length;
      }),
    );
    const copying = yield* begin(Effect.andThen(Stream.run(counted, to.sink(into)), into.close()));
    // Without a reader two pipes are full, and a part is on its way.
    for (let i = 0; i < 200; i++) yield* turn;
    assert.isUndefined(copying.pollUnsafe());
    assert.isAtMost(taken, 512 * 1024);
    assert.isTrue(content.equals(yield* to.readToEof(result)));
    yield* Fiber.join(writing);
    yield* Fiber.join(copying);
    assert.equal(taken, SIZE);
  });
});
