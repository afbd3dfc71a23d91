import { access } from "node:fs/promises";
import { O } from "@rsyscall/abi";
import type { HandleFailure } from "@rsyscall/handle";
import { printable } from "@rsyscall/near";
import { allow, type Decision, deny } from "@rsyscall/seccomp";
import type { Thread } from "@rsyscall/thread";
import { Effect, Semaphore } from "effect";
import type { Ask, GuardedCall } from "./Policy.ts";

/** Characters of a call in a question. */
const SHOWN = 1000;

/** Bytes of an answer. */
const ANSWER = 256;

/** Asks the user whether a call may go on. */
export type AskUser = (call: GuardedCall, ask: Ask) => Effect.Effect<Decision>;

/**
 * Asks at the terminal of this process, one question at a time. Without a terminal, the answer is no. A file that
 * does not exist needs no question: the call fails with ENOENT.
 *
 * @param terminal its path, for tests
 */
export const askAtTerminal = (thread: Thread, terminal = "/dev/tty"): AskUser => {
  const turns = Semaphore.makeUnsafe(1);
  /** Answers for all calls of a program, by its path. */
  const always = new Map<string, Decision>();
  return (call, { message }) =>
    turns.withPermits(1)(
      Effect.suspend(() => {
        const known = always.get(call.path);
        if (known !== undefined) return Effect.succeed(known);
        return Effect.flatMap(exists(call), (isThere) =>
          isThere
            ? question(thread, terminal, call, message, (decision) =>
                always.set(call.path, decision),
              ).pipe(
                Effect.catch((error: HandleFailure) =>
                  Effect.succeed(deny(`there is no terminal to ask on: ${error.message}`)),
                ),
              )
            : Effect.succeed(deny("there is no such file", "ENOENT")),
        );
      }),
    );
};

/** Whether the file is there, as the process sees it. Another thread asks, because the file system may be slow. */
const exists = ({ path, pid }: GuardedCall): Effect.Effect<boolean> =>
  Effect.promise(() =>
    access(path.startsWith("/") ? `/proc/${pid}/root${path}` : path).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== "ENOENT" && error.code !== "ENOTDIR",
    ),
  );

const question = (
  thread: Thread,
  terminal: string,
  call: GuardedCall,
  message: string | undefined,
  remember: (decision: Decision) => void,
): Effect.Effect<Decision, HandleFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const tty = yield* thread.open(terminal, O.RDWR | O.NOCTTY);
      const by = call.parent === undefined ? "" : `, by ${call.parent.argv.join(" ")}`;
      const about = printable(`${call.line} (pid ${call.pid}${by}, in ${call.cwd})`, SHOWN);
      const remark = message === undefined ? "" : `${printable(message, SHOWN)}\n`;
      const no = deny("the user said no");
      for (;;) {
        yield* thread.writeAll(
          tty,
          Buffer.from(`${remark}rsyscall guard: ${about}\nallow? yes, no, always, never: `),
        );
        const bytes = yield* tty.readBytes(ANSWER);
        // The terminal has hung up, or the user pressed Ctrl-D.
        if (bytes.length === 0) return no;
        switch (Buffer.from(bytes).toString().trim().toLowerCase()) {
          case "y":
          case "yes":
            return allow;
          case "n":
          case "no":
            return no;
          case "a":
          case "always":
            remember(allow);
            return allow;
          case "never":
            remember(no);
            return no;
        }
      }
    }),
  );
