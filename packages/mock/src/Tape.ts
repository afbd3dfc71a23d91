import {
  type Cassette,
  type CassetteCall,
  checkReplaceable,
  readCassette,
  writeCassette,
} from "./cassette.ts";
import { diffLines } from "./diff.ts";
import { MockError } from "./errors.ts";
import { checkNames } from "./options.ts";
import { shownCommand } from "./pattern.ts";
import type { CallRecord, OutputChunk } from "./record.ts";
import { type Redaction, redacted, redactedBytes, type TextRedaction } from "./redact.ts";

/** Bytes of each stream that a call may have, if nothing else is said. */
const LIMIT = 16 * 1024 * 1024;

/** When calls are recorded, and when they are answered by what was recorded. */
export type CassetteMode = "none" | "once" | "new" | "all";

/** How calls are recorded in a file, and answered by it. */
export interface CassetteOptions {
  /** Where the calls are. */
  readonly file: string;
  /**
   * - `none`: all calls are answered by the file. One that is not in it is an error, and so is one of the file that does
   *   not come.
   * - `once`: as `none` if the file is there, and `all` if it is not. Default.
   * - `new`: calls that are not in the file are recorded, and added to it.
   * - `all`: all calls are recorded, and the file is replaced.
   */
  readonly mode?: CassetteMode;
  /** Programs to record or replay, beside those that the mock or the file names. */
  readonly programs?: ReadonlyArray<string>;
  /** What must not get into the file, of arguments, environment, directories, input and output. */
  readonly redact?: ReadonlyArray<Redaction>;
  /** Variables that are written with each call. Default: none. */
  readonly env?: ReadonlyArray<string>;
  /** The most bytes of each stream. A call with more is not written, and is an error. Default: 16 MiB. */
  readonly limit?: number;
}

/** A cassette, as the engine needs it. */
export interface TapeData {
  readonly calls: ReadonlyArray<CassetteCall>;
  /** Whether calls that are not in it are recorded. */
  readonly records: boolean;
  readonly limit: number;
  readonly redact: ReadonlyArray<TextRedaction>;
  /** The number of a predicate that compares a call with a recorded one, if a redaction is a function. */
  readonly comparison: number | undefined;
  readonly file: string;
}

/** What the comparison gets, as JSON. */
export interface Compared {
  readonly entry: number;
  readonly argv: ReadonlyArray<string>;
}

const OPTIONS: ReadonlyArray<keyof CassetteOptions> = [
  "file",
  "mode",
  "programs",
  "redact",
  "env",
  "limit",
];

const MODES: ReadonlyArray<string> = ["none", "once", "new", "all"];

/** The cassette of a mock: what is in its file, and what will be. */
export class Tape {
  readonly #options: CassetteOptions;
  readonly #redact: ReadonlyArray<Redaction>;
  readonly #before: Cassette;
  readonly #mode: "none" | "new" | "all";

  constructor(options: CassetteOptions) {
    checkNames("cassette", options, OPTIONS, "a cassette");
    const { file, mode = "once", redact = [] } = options;
    if (typeof file !== "string" || file === "")
      throw new MockError([`cassette: file is ${JSON.stringify(file)}, and must be a path`]);
    if (!MODES.includes(mode))
      throw new MockError([
        `cassette: mode is ${JSON.stringify(mode)}, and must be "none", "once", "new" or "all"`,
      ]);
    if (mode === "all") checkReplaceable(file);
    const found = mode === "all" ? undefined : readCassette(file);
    if (mode === "none" && found === undefined)
      throw new MockError([
        `cassette ${file}: there is no such file: record it with mode "once" or "all"`,
      ]);
    this.#options = options;
    this.#redact = redact;
    this.#before = found ?? { calls: [] };
    this.#mode = mode === "once" ? (found === undefined ? "all" : "none") : mode;
  }

  /** @param predicate gives a number to a function that stays in this thread */
  data(predicate: (compare: (text: string) => boolean) => number): TapeData {
    const texts = this.#redact.filter((it): it is TextRedaction => typeof it !== "function");
    return {
      calls: this.#before.calls,
      records: this.#mode !== "none",
      limit: this.#options.limit ?? LIMIT,
      redact: texts,
      comparison:
        texts.length === this.#redact.length
          ? undefined
          : predicate((text) => {
              const { entry, argv } = JSON.parse(text) as Compared;
              const recorded = this.#before.calls[entry]?.argv ?? [];
              return argv.every((arg, i) => redacted(arg, this.#redact) === recorded[i]);
            }),
      file: this.#options.file,
    };
  }

  /** All programs that the cassette is for. */
  get programs(): ReadonlySet<string> {
    return new Set([
      ...(this.#options.programs ?? []),
      ...this.#before.calls.map(({ program }) => program),
    ]);
  }

  /** What is wrong: calls of the file that did not come, and calls that could not be recorded. */
  problems(records: ReadonlyArray<CallRecord>): ReadonlyArray<string> {
    const problems = records.flatMap((record) => {
      if (record.cassette !== "new" || record.outcome === "failed") return [];
      const cut = record.cut ?? [];
      return cut.length === 0
        ? []
        : [
            `cassette ${this.#options.file}: ${this.#shown(record)} is not written: its ${cut.join(" and ")} had more than ${this.#options.limit ?? LIMIT} bytes: raise the limit`,
          ];
    });
    if (this.#mode !== "none") return problems;
    const played = new Set(records.map(({ cassette }) => cassette));
    const came = records.filter(
      ({ cassette, rule }) => cassette !== undefined || rule === undefined,
    );
    const isStale = this.#before.calls.some((_, i) => !played.has(i));
    if (!isStale) return problems;
    const lines = diffLines(
      this.#before.calls.map((call, i) => ({ key: String(i), line: this.#shown(call) })),
      came.map((record) => ({
        key: typeof record.cassette === "number" ? String(record.cassette) : undefined,
        line: this.#shown(record),
      })),
    );
    return [
      ...problems,
      [
        `cassette ${this.#options.file}: calls of it did not come: record it again with mode "all" (- recorded, + came)`,
        ...lines,
      ].join("\n"),
    ];
  }

  #shown({ program, argv }: Pick<CallRecord, "program" | "argv">): string {
    return redacted(shownCommand([program, ...argv.slice(1)]), this.#redact);
  }

  /** Writes what was recorded. */
  write(records: ReadonlyArray<CallRecord>): void {
    if (this.#mode === "none") return;
    const added = records.filter(
      ({ cassette, outcome, status, signal, cut = [] }) =>
        cassette === "new" &&
        outcome === "passed" &&
        (status !== undefined || signal !== undefined) &&
        cut.length === 0,
    );
    if (this.#mode === "new" && added.length === 0) return;
    writeCassette(this.#options.file, {
      calls: [...this.#before.calls, ...added.map((record) => this.#call(record))],
    });
  }

  #call(record: CallRecord): CassetteCall {
    const text = (value: string) => redacted(value, this.#redact);
    return {
      program: record.program,
      argv: record.argv.map(text),
      cwd: record.cwd === undefined ? undefined : text(record.cwd),
      env: Object.fromEntries(
        (this.#options.env ?? []).flatMap((name) => {
          const value = record.env[name];
          return value === undefined ? [] : [[name, text(value)]];
        }),
      ),
      stdin: record.stdin === undefined ? undefined : redactedBytes(record.stdin, this.#redact),
      readAll: record.readAll === true,
      output: redactedChunks(record.chunks ?? [], this.#redact),
      status: record.status,
      signal: record.signal,
      duration: record.duration ?? 0,
    };
  }
}

/**
 * Output without what must not be written. What begins in one chunk may end in the next one of its stream; where that
 * is so, the stream becomes one chunk.
 */
const redactedChunks = (
  chunks: ReadonlyArray<OutputChunk>,
  redactions: ReadonlyArray<Redaction>,
): ReadonlyArray<OutputChunk> => {
  if (redactions.length === 0) return chunks;
  const joined = (of: ReadonlyArray<OutputChunk>, fd: 1 | 2) =>
    Buffer.concat(of.filter((chunk) => chunk.fd === fd).map(({ bytes }) => bytes));
  let result: ReadonlyArray<OutputChunk> = chunks.map((chunk) => ({
    ...chunk,
    bytes: redactedBytes(chunk.bytes, redactions),
  }));
  for (const fd of [1, 2] as const) {
    const whole = redactedBytes(joined(chunks, fd), redactions);
    if (joined(result, fd).equals(whole)) continue;
    const first = result.findIndex((chunk) => chunk.fd === fd);
    result = result.flatMap((chunk, i) =>
      chunk.fd !== fd ? [chunk] : i === first ? [{ ...chunk, bytes: whole }] : [],
    );
  }
  return result;
};
