import { describeTransport } from "@rsyscall/conformance";
import { tempDirectory } from "@rsyscall/harness";
import { PersistentTask, type PersistentTaskOptions } from "@rsyscall/task-persistent";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { controller } from "./controller.ts";
import { killProcess } from "./killProcess.ts";

/** A process that another controller has started and left. */
const reconnected = (
  options: PersistentTaskOptions,
): Effect.Effect<Thread, unknown, Scope.Scope | LocalThread> =>
  Effect.gen(function* () {
    const local = yield* LocalThread;
    const path = `${yield* tempDirectory}/socket`;
    const first = yield* PersistentTask.make(local, path, options);
    yield* first.disconnect();
    return (yield* PersistentTask.connect(local, path, options)).thread;
  });

describeTransport("a persistent task, at a second visit", {
  makeThread: () => reconnected({}),
  cut: killProcess,
  controller: controller("persistent"),
});

describeTransport("a persistent task, at a second visit, over sockets", {
  makeThread: () => reconnected({ sharedMemory: false }),
  cut: killProcess,
  lacks: { sharedMemory: "it goes over sockets" },
});
