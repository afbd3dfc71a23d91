/* What a controller on arm64 can do without a child: the addon, numbers, layouts, readiness. */
import assert from "node:assert/strict";
import { O } from "@rsyscall/abi";
import { Memfd, open } from "@rsyscall/handle";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";

const program = Effect.gen(function* () {
  const thread = yield* LocalThread;
  assert.equal(thread.task.abi.machine, "aarch64");
  const directory = yield* open(thread, "/", O.DIRECTORY);
  assert.equal((yield* directory.fstat()).mode & 0o170000, 0o040000);
  assert.notEqual((yield* directory.statusFlags()) & O.DIRECTORY, 0);
  const memfd = yield* Memfd.make(thread, "arm64");
  yield* memfd.writeAllText("hello");
  assert.equal((yield* memfd.fstat()).size, 5);
  // A read that waits in the event loop, by epoll.
  const [read, write] = yield* thread.pipe();
  const reading = yield* Effect.forkChild(thread.readTextToEof(read));
  yield* Effect.sleep("10 millis");
  yield* write.writeAllText("later");
  yield* write.close();
  assert.equal(yield* Fiber.join(reading), "later");
});
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
console.log(`${process.arch} works`);
