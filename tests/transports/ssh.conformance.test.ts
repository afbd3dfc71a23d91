import { behaviours, check, describeTransport } from "@rsyscall/conformance";
import { describeUnless } from "@rsyscall/harness";
import { noSshd, startSshd } from "@rsyscall/harness/sshd";
import { SshTask } from "@rsyscall/task-ssh";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Layer, Scope } from "effect";
import { afterAll, beforeAll, describe, it } from "vitest";
import { killProcess } from "./killProcess.ts";

const otherHost = "it is as good as on another host";

describeUnless(noSshd, "over ssh", () => {
  const scope = Effect.runSync(Scope.make());
  let options: ReadonlyArray<string>;
  let host: Thread;

  const launch = (...more: ReadonlyArray<string>) =>
    Effect.flatMap(LocalThread, (local) =>
      SshTask.make(local, "127.0.0.1", { options: [...more, ...options] }),
    );

  beforeAll(() => {
    const first = Effect.gen(function* () {
      const server = yield* startSshd({ config: ["MaxSessions 100"] });
      options = ["-o", `ControlPath=${server.directory}/master`, ...server.options];
      const local = yield* Layer.build(LocalThread.layer);
      ({ thread: host } = yield* Effect.provide(launch("-o", "ControlMaster=yes"), local));
    });
    return Effect.runPromise(Scope.provide(first, scope));
  });

  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)));

  // What a launch does besides is that of task-command; here everything goes through one connection.
  describeTransport("a Thread of a host", {
    makeThread: () => host.fork(),
    cut: killProcess,
    lacks: { fdPassing: otherHost, sharedMemory: otherHost },
  });

  // Through the connection of the first one, which saves the cryptography.
  describe("a task on a host, whose ssh is killed", () => {
    const processes = new WeakMap<Thread, number>();
    const makeThread = Effect.suspend(() =>
      Effect.map(launch(), ({ thread, process }) => {
        processes.set(thread, process.pid);
        return thread;
      }),
    );
    const cut = (thread: Thread) =>
      Effect.sync(() => void process.kill(processes.get(thread) as number, "SIGKILL"));
    for (const behaviour of behaviours.filter(({ topic }) => topic === "at a hang-up"))
      it(behaviour.name, () =>
        Effect.runPromise(check(behaviour, { makeThread: () => makeThread, cut })),
      );
  });
});
