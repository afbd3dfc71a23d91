import { AsyncFileDescriptor } from "@rsyscall/epoller";
import type { Socket } from "@rsyscall/handle";
import { taskPath } from "@rsyscall/native";
import { Command, LocalThread } from "@rsyscall/thread";
import { bootstrapThread, handshake, launch } from "@rsyscall/transport";
import { Effect } from "effect";
import { MultiplexedConnection, Multiplexer } from "../src/index.ts";

/** A Thread through `rsyscall-task command`, run by a command, and the multiplexer in between. */
export const launchTask = (...command: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const local = yield* LocalThread;
    const { accessTask, accessEpoller } = local.connection;
    const [[near, far]] = (yield* local.connection.openChannels(1)) as [[Socket, Socket]];
    const [program = "", ...args] = [...command, taskPath, "command"];
    const { process } = yield* launch(local, Command.make(program, ...args), {
      stdin: far,
      stdout: far,
    });
    yield* far.close();
    const mux = yield* Multiplexer.make(near, accessEpoller);
    const socket = yield* AsyncFileDescriptor.make(accessEpoller, mux.first);
    const policy = {
      handshakeTimeout: "10 seconds" as const,
      allow: () => true,
      descriptionLimit: 2 ** 20,
    };
    const greeted = yield* handshake(socket, policy);
    const { thread } = yield* bootstrapThread(
      {
        accessTask,
        accessEpoller,
        sendChannels: (message, count) => mux.open(mux.first, count, message),
        connect: (access, task) => new MultiplexedConnection(mux, access, accessEpoller, task),
        sharesMemory: false,
      },
      greeted,
    );
    // The first channel ends with the welcome, which opened four.
    while (mux.stats.channels > 4)
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));
    return { mux, thread, process };
  });
