import { SHUT } from "@rsyscall/abi";
import { begin, it, Random, threadKinds } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Fiber, Stream } from "effect";
import { assert, describe } from "vitest";
import { families, listen, unconnected } from "./socketFamilies.ts";

const COUNT = 200;

/** Bytes of one connection at most: more than a socket holds. */
const MOST = 300_000;

/** The offset of each connection's bytes: no two connections send the same. */
const STEP = 1001;

const pool = Buffer.from(
  (() => {
    const random = new Random(1);
    return Uint32Array.from({ length: (COUNT * STEP + MOST) >> 2 }, () => random.below(2 ** 32))
      .buffer;
  })(),
);

/** The bytes that connection number `i` sends. */
const content = (i: number): Buffer => {
  const random = new Random(i);
  const length = i < 2 ? i : random.below(random.below(3) === 0 ? MOST : 10_000);
  return pool.subarray(i * STEP, i * STEP + length);
};

describe.each(threadKinds)("two hundred connections at the same time %s", (_name, place) => {
  for (const family of families)
    it(`get every byte back, ${family[0]}`, function* () {
      const thread = yield* place;
      const local = yield* LocalThread;
      const { listener, address } = yield* listen(thread, family, COUNT);
      /** Echoes in parts of random sizes, until the end of the input. */
      const serve = (i: number) =>
        Effect.scoped(
          Effect.gen(function* () {
            const socket = yield* listener.accept();
            yield* Stream.run(socket.stream(500 + (i % 7) * 9973), socket.sendSink());
            yield* socket.handle.shutdown(SHUT.WR);
            // The other end is read to its end before this one closes.
            yield* socket.waitForRdhup();
          }),
        );
      const serving = yield* begin(
        Effect.forEach(Array.from({ length: COUNT }), (_, i) => serve(i), {
          concurrency: "unbounded",
          discard: true,
        }),
      );
      const ask = (i: number) =>
        Effect.scoped(
          Effect.gen(function* () {
            const random = new Random(i + COUNT);
            const sent = content(i);
            const socket = yield* unconnected(local, family);
            yield* socket.connect(address);
            const sending = yield* begin(
              Effect.gen(function* () {
                for (let at = 0; at < sent.length; ) {
                  const size = 1 + random.below(100_000);
                  yield* socket.sendAllBytes(sent.subarray(at, at + size));
                  at += size;
                }
                yield* socket.handle.shutdown(SHUT.WR);
              }),
            );
            let length = 0;
            for (;;) {
              const bytes = yield* socket.recvBytes(1 + random.below(70_000));
              if (bytes.length === 0) break;
              const expected = sent.subarray(length, length + bytes.length);
              assert.equal(
                expected.compare(bytes),
                0,
                `bytes from ${length} on of connection ${i}`,
              );
              length += bytes.length;
            }
            yield* Fiber.join(sending);
            assert.equal(length, sent.length, `bytes of connection ${i}`);
            return length;
          }),
        );
      const lengths = yield* Effect.forEach(Array.from({ length: COUNT }), (_, i) => ask(i), {
        concurrency: "unbounded",
      });
      yield* Fiber.join(serving);
      assert.isAbove(Math.max(...lengths), MOST / 2);
    });
});
