import { describeTransport } from "@rsyscall/conformance";
import { CommandTask } from "@rsyscall/task-command";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { controller } from "./controller.ts";
import { killProcess } from "./killProcess.ts";

const onlyBytes = "nothing but bytes gets there";

describeTransport("a task behind a command's stdin and stdout", {
  makeThread: Effect.fnUntraced(function* () {
    const { thread } = yield* CommandTask.make(yield* LocalThread, (program, ...args) =>
      Command.make(program, ...args),
    );
    return thread;
  }),
  cut: killProcess,
  controller: controller("command"),
  lacks: { fdPassing: onlyBytes, sharedMemory: onlyBytes },
});
