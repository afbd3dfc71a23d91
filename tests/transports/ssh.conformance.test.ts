import { describeTransport } from "@rsyscall/conformance";
import { SshTask } from "@rsyscall/task-ssh";
import { LocalThread } from "@rsyscall/thread";
import { Effect, Exit, Layer, Scope } from "effect";
import { afterAll, beforeAll } from "vitest";
import { describeUnless } from "../harness/index.ts";
import { noSshd, startSshd } from "../harness/sshd.ts";
import { killed } from "./killed.ts";

const otherHost = "it is as good as on another host";

describeUnless(noSshd, "over ssh", () => {
  const scope = Effect.runSync(Scope.make());
  let options: ReadonlyArray<string>;

  const launch = (...more: ReadonlyArray<string>) =>
    Effect.flatMap(LocalThread, (local) =>
      SshTask.launch(local, "127.0.0.1", { options: [...more, ...options] }),
    );

  // The others go through the connection of the first one, which saves 40 seconds of cryptography.
  beforeAll(() => {
    const first = Effect.gen(function* () {
      const server = yield* startSshd(["MaxSessions 100"]);
      options = ["-o", `ControlPath=${server.directory}/master`, ...server.options];
      const local = yield* Layer.build(LocalThread.layer);
      yield* Effect.provide(launch("-o", "ControlMaster=yes"), local);
    });
    return Effect.runPromise(Scope.provide(first, scope));
  });

  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)));

  describeTransport("a task on a host", {
    makeThread: Effect.suspend(() => Effect.map(launch(), ({ thread }) => thread)),
    cut: killed,
    lacks: { fdPassing: otherHost, sharedMemory: otherHost },
  });
});
