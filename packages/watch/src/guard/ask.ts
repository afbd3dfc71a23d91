import { O } from "@rsyscall/abi";
import type { HandleFailure } from "@rsyscall/handle";
import { printable } from "@rsyscall/near";
import { allow, type Decision, deny } from "@rsyscall/seccomp";
import type { Thread } from "@rsyscall/thread";
import { Effect, Semaphore } from "effect";
import { exists } from "./exists.ts";
import type { Ask, GuardedCall } from "./Policy.ts";

/** Characters of a call in a question. */
const SHOWN = 1000;

/** Bytes of an answer. */
const ANSWER = 256;

/** Asks the user whether a call may go on. */
export type AskUser = (call: GuardedCall, ask: Ask) => Effect.Effect<Decision>;

/**
 * Asks at the terminal of this process, one question at a time. Without a terminal, the answer is no, and so it is when
 * the user presses Ctrl-C. A file that does not exist needs no question: the call fails with ENOENT.
 *
 * @param terminal its path, for tests
 */
export const askAtTerminal = (thread: Thread, terminal = "/dev/tty"): AskUser => {
  const turns = Semaphore.makeUnsafe(1);
  /** Answers for all calls of a program, by its path. */
  const always = new Map<string, Decision>();
  const interrupted = Effect.as(interruptions(), deny("the user said no, by Ctrl-C"));
  const answer: AskUser = (call, { message }) =>
    Effect.suspend(() => {
      const known = always.get(call.path);
      if (known !== undefined) return Effect.succeed(known);
      return Effect.flatMap(exists(call.path, call.pid), (isThere) =>
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
    });
  // Ctrl-C ends the questions that wait for their turn as well.
  return (call, ask) => Effect.raceFirst(turns.withPermits(1)(answer(call, ask)), interrupted);
};

/**
 * Makes an effect that ends when the user presses Ctrl-C, for any number of questions: the terminal sends SIGINT to this
 * process as to the command.
 */
const interruptions = (): Effect.Effect<void> => {
  const waiting = new Set<() => void>();
  const listener = () => {
    for (const end of [...waiting]) end();
  };
  return Effect.callback<void>((resume) => {
    const end = () => {
      remove();
      resume(Effect.void);
    };
    const remove = () => {
      waiting.delete(end);
      if (waiting.size === 0) process.off("SIGINT", listener);
    };
    if (waiting.size === 0) process.on("SIGINT", listener);
    waiting.add(end);
    return Effect.sync(remove);
  });
};

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
