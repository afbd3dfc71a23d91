import type { Decision, Question } from "../decide.ts";
import type { Ask } from "../pattern.ts";
import { shownCommand } from "../pattern.ts";
import type { CallRecord } from "../record.ts";
import { redacted, redactedBytes } from "../redact.ts";
import type { Compared, TapeData } from "../Tape.ts";

/** What a cassette says to a call: its answer, and the number of the recorded call. */
export type Played = Decision & { readonly cassette?: CallRecord["cassette"] };

/** Answers calls by what was recorded: each recorded call once, equal ones in their order. */
export class TapePlayer {
  readonly #tape: TapeData;
  readonly #played = new Set<number>();
  /** Bytes of an input that are enough to see that it is like none: it may have no end. */
  readonly #inputLimit: number;

  constructor(tape: TapeData) {
    this.#tape = tape;
    const longest = Math.max(0, ...tape.calls.map(({ stdin }) => stdin?.length ?? 0));
    // What is redacted may have been longer; but no call was recorded whose input was longer than the limit.
    const hasRedactions = tape.redact.length > 0 || tape.comparison !== undefined;
    this.#inputLimit = 1 + (hasRedactions ? Math.max(longest, tape.limit) : longest);
  }

  decide(question: Question, ask: Ask): Played {
    const { calls, records, limit, file } = this.#tape;
    const entries = calls.flatMap((_, i) => (this.#isLike(i, question, ask) ? [i] : []));
    const entry = entries.find((i) => !this.#played.has(i));
    const call = entry === undefined ? undefined : calls[entry];
    if (entry !== undefined && call !== undefined) {
      this.#played.add(entry);
      return {
        rule: undefined,
        reply: {
          reply: "fixed",
          chunks: call.output.map(({ fd, bytes }) => [fd, bytes] as const),
          status: call.status ?? 0,
          ...(call.signal === undefined ? {} : { signal: call.signal }),
        },
        cassette: entry,
      };
    }
    if (records) return { rule: undefined, reply: { reply: "spy", limit }, cassette: "new" };
    return {
      rule: undefined,
      problem:
        entries.length > 0
          ? `cassette ${file} has it ${entries.length === 1 ? "once" : `${entries.length} times`}, and it came once more`
          : `it is not in cassette ${file}${this.#nearest(question)}`,
    };
  }

  #isLike(entry: number, question: Question, ask: Ask): boolean {
    const call = this.#tape.calls[entry];
    const { argv, program } = question;
    if (call === undefined || call.program !== program || call.argv.length !== argv.length)
      return false;
    const { redact, comparison } = this.#tape;
    const compared: Compared = { entry, argv };
    const isSame =
      comparison === undefined
        ? argv.every((arg, i) => i === 0 || redacted(arg, redact) === call.argv[i])
        : ask(comparison, JSON.stringify(compared));
    if (!isSame) return false;
    // Of a program that has not read to the end it is not known what it was given.
    if (call.stdin === undefined || call.stdin.length === 0 || !call.readAll) return true;
    const input = redactedBytes(question.stdin(this.#inputLimit), redact);
    return Buffer.from(input).equals(call.stdin);
  }

  /** The recorded call of the program that has most of the first arguments. */
  #nearest({ program, argv }: Question): string {
    let best: { readonly entry: number; readonly score: number } | undefined;
    for (const [entry, call] of this.#tape.calls.entries()) {
      if (call.program !== program) continue;
      let score = 1;
      while (score < argv.length && argv[score] === call.argv[score]) score += 1;
      if (best === undefined || score > best.score) best = { entry, score };
    }
    if (best === undefined) return "";
    const call = this.#tape.calls[best.entry];
    const isSame = best.score === argv.length && call?.argv.length === argv.length;
    const nearest = shownCommand([program, ...(call?.argv.slice(1) ?? [])]);
    return `; nearest: ${nearest}${isSame ? ", which had another input (stdin)" : ""}`;
  }
}
