import type { Abi } from "@rsyscall/abi";
import { Effect } from "effect";
import type { ConnectionError, InvalidArgumentError } from "./errors.ts";
import { type Outcome, PendingCall } from "./PendingCall.ts";
import { type SixWords, wordsRefusal } from "./SyscallDefinition.ts";
import type { DirectCalls, Word, Words } from "./SyscallInterface.ts";

/**
 * Implements `SyscallInterface.syscall` by direct calls. Not interruptible: a result must not be lost. If a value is
 * not a word of 64 bits, such as NaN, it is an InvalidArgumentError and nothing is submitted.
 */
export const perform = (
  direct: DirectCalls,
  abi: Abi,
  number: number,
  [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0]: Words,
): Effect.Effect<Word, ConnectionError | InvalidArgumentError> => {
  const words: SixWords = [a, b, c, d, e, f];
  return Effect.suspend(() => {
    const refusal = wordsRefusal(() => abi.syscallName(number), words);
    return refusal === undefined
      ? performWords(direct, number, words)
      : Effect.fail<ConnectionError | InvalidArgumentError>(refusal);
  });
};

/** As `perform`, for words that were checked. */
export const performWords = (
  direct: DirectCalls,
  number: number,
  words: SixWords,
): Effect.Effect<Word, ConnectionError> =>
  Effect.suspend(() => {
    const submitted = direct.submit(number, ...words);
    if (!(submitted instanceof PendingCall)) return Effect.succeed(submitted);
    direct.settle();
    return submitted.outcome !== undefined
      ? result(submitted.outcome)
      : Effect.uninterruptible(
          Effect.callback<Word, ConnectionError>((resume) =>
            submitted.whenDone((outcome) => resume(result(outcome))),
          ),
        );
  });

const result = (outcome: Outcome): Effect.Effect<Word, ConnectionError> =>
  typeof outcome === "object" ? Effect.fail(outcome) : Effect.succeed(outcome);
