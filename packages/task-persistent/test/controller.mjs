/* A controller of a persistent task, for tests that end it in the middle of a call: PATH WIRE KEPT. Prints what
 * it leaves in the process as JSON, and then waits in a call that blocks there. */

import { PersistentTask } from "@rsyscall/task-persistent";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";

const [path, wire, kept] = process.argv.slice(2);

const program = Effect.gen(function* () {
  const task = yield* PersistentTask.make(yield* LocalThread, path, {
    sharedMemory: wire === "memory",
  });
  const { thread } = task;
  const [reader, writer] = yield* thread.pipe();
  yield* writer.writeAllText("left behind");
  const file = yield* thread.open("/etc/passwd");
  const stdin = (yield* thread.pipe())[0];
  const sleeper = Command.make("/bin/sh", "-c", "read line; exit 7");
  const program = yield* thread.spawn(sleeper, { stdin });
  const ended = yield* thread.spawn(sleeper, { stdin, detached: true });
  const [blocking] = yield* thread.pipe();
  if (kept === "kept") yield* task.keep();
  console.log(
    JSON.stringify({
      pid: thread.task.pid,
      reader: reader.near,
      writer: writer.near,
      file: file.near,
      program: program.pid,
      ended: ended.pid,
    }),
  );
  yield* blocking.readBytes(1);
});

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
