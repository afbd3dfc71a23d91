/* A controller that connects to a persistent task, for tests that end it in the middle of a call: PATH WIRE CALL.
 * Prints a line when the task is its own, and then has it make a call that blocks. */

import { Socket } from "@rsyscall/handle";
import { call } from "@rsyscall/near";
import { PersistentTask } from "@rsyscall/task-persistent";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";

const [path, wire, what] = process.argv.slice(2);

const calls = {
  nanosleep: ({ task }) =>
    task.withBytes(new Uint8Array(new BigInt64Array([1000n, 0n]).buffer), (time) =>
      call(task.sysif, "nanosleep", time, 0),
    ),
  wait4: (thread) =>
    Effect.andThen(
      thread.spawn(Command.make("/bin/sleep", "1000")),
      call(thread.task.sysif, "wait4", -1, 0, 0, 0),
    ),
  // More than a socket takes: docs/protocol.md.
  SEND_ALL: (thread) =>
    Effect.flatMap(Socket.pair(thread.task), ([end]) =>
      thread.task.withMemory(2 ** 22, 8, (at) =>
        thread.task.sysif.syscall(0x7fff0000, end.near, at, 2 ** 22),
      ),
    ),
};

const program = Effect.gen(function* () {
  const { thread } = yield* PersistentTask.connect(yield* LocalThread, path, {
    sharedMemory: wire === "memory",
  });
  yield* call(thread.task.sysif, "getpid");
  console.log("connected");
  yield* calls[what](thread);
});

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
