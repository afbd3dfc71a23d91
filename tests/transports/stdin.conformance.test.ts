import { describeTransport } from "@rsyscall/conformance";
import { StdinTask, type StdinTaskOptions } from "@rsyscall/task-stdin";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { controller } from "./controller.ts";
import { killProcess } from "./killProcess.ts";

const through = (options: StdinTaskOptions) =>
  Effect.gen(function* () {
    const { thread } = yield* StdinTask.make(
      yield* LocalThread,
      (...words) => Command.make("/usr/bin/env", ...words),
      options,
    );
    return thread;
  });

describeTransport("a task behind a command's stdin", {
  makeThread: () => through({}),
  cut: killProcess,
  controller: controller("stdin"),
});

describeTransport("a task behind a command's stdin, over sockets", {
  makeThread: () => through({ sharedMemory: false }),
  cut: killProcess,
  controller: controller("stdin over sockets"),
  lacks: { sharedMemory: "it goes over sockets" },
});
