import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { catchErrno } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { type Behaviour, behaviour, topic } from "./Behaviour.ts";
import { equal, Mismatch, ok } from "./internal/expect.ts";
import { procFile } from "./internal/inside.ts";
import { newThread, until, waiting } from "./internal/subject.ts";
import { Subject } from "./Transport.ts";

/** Makes a directory for files that a killed process cannot remove. */
const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "rsyscall-controller-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
);

/** Starts a controller in a process of its own. */
const startController = Effect.gen(function* () {
  const { transport } = yield* Subject;
  const env = { ...process.env, TMPDIR: yield* temporary };
  const [program, ...args] = transport.controller as readonly [string, ...Array<string>];
  return yield* Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
      const said = { stdout: "", stderr: "", all: false };
      for (const stream of ["stdout", "stderr"] as const)
        child[stream].setEncoding("utf8").on("data", (text: string) => {
          said[stream] += text;
        });
      // All that it has said is known then; "exit" comes earlier.
      const ended = new Promise<void>((resolve) =>
        child.once("close", () => {
          said.all = true;
          resolve();
        }),
      );
      // If the program cannot be started, this event comes before "close".
      child.once("error", (error) => {
        said.stderr += error.message;
      });
      return { child, said, ended };
    }),
    ({ child, ended }) =>
      Effect.promise(() => {
        child.kill("SIGKILL");
        return ended;
      }),
  );
});

/** Whether a process has ended, or is a zombie. */
const hasEnded = (thread: Thread, pid: number) =>
  procFile(thread, `${pid}/stat`).pipe(
    Effect.map((stat) => /\) [ZX]/.test(stat)),
    catchErrno(["ENOENT", "ESRCH"], () => Effect.succeed(true)),
  );

const endsBy = (signal: "SIGKILL" | "SIGTERM") =>
  behaviour(
    `ends with its children and programs when ${signal} ends the controller, also inside a call`,
    ["controller", "ownProcess", "children", "programs", "proc"],
    function* () {
      const witness = yield* newThread;
      const { child, said, ended } = yield* startController;
      const hasLine = Effect.sync(() => {
        if (said.all)
          throw new Mismatch(
            `the controller should hold its Threads. It has ended: ${said.stderr}`,
          );
        return said.stdout.includes("\n");
      });
      yield* until("a controller that has its Threads", hasLine);
      const pids: ReadonlyArray<number> = JSON.parse(said.stdout);
      equal(new Set(pids).size, 6, "the number of processes that the controller holds");
      for (const pid of pids)
        ok(
          !(yield* hasEnded(witness, pid)),
          `process ${pid} should live as long as its controller`,
        );
      child.kill(signal);
      yield* waiting(
        "the end of the controller",
        Effect.promise(() => ended),
      );
      for (const pid of pids)
        yield* until(
          `the end of process ${pid} of a controller that has died`,
          hasEnded(witness, pid),
        );
    },
  );

/** The behaviours at the death of a controller: another process, because this one must observe them. */
export const controllerDeath: ReadonlyArray<Behaviour> = topic("when the controller dies", [
  endsBy("SIGKILL"),
  endsBy("SIGTERM"),
]);
