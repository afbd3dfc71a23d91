import type { OutputChunk } from "../record.ts";

/** Chunks of a stream that may be recorded: as many as are this long on average, so that small ones are bounded too. */
const CHUNK_SIZE = 64;
const CHUNKS_AT_LEAST = 1024;

/** A stream that is recorded. */
export type StreamName = "stdin" | "stdout" | "stderr";

const NAMES: ReadonlyArray<StreamName> = ["stdin", "stdout", "stderr"];

/** What a program reads and writes, up to a limit for each stream. */
export class Recording {
  readonly #limit: number;
  readonly #begin = performance.now();
  readonly #chunks: Array<OutputChunk> = [];
  readonly #input: Array<Uint8Array> = [];
  /** Bytes and chunks of each stream. */
  readonly #sizes = new Map<StreamName, { bytes: number; chunks: number }>();
  readonly #cut = new Set<StreamName>();
  readonly #seen = new Set<StreamName>();
  /** Whether the program has read its input to the end. */
  readAll = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Says that a stream is recorded, also if it stays empty. */
  sees(fd: 0 | 1 | 2): void {
    this.#seen.add(NAMES[fd] as StreamName);
  }

  /** Whether more of a stream is recorded. */
  hasRoom(fd: 0 | 1 | 2): boolean {
    return !this.#cut.has(NAMES[fd] as StreamName);
  }

  add(fd: 0 | 1 | 2, bytes: Uint8Array): void {
    const name = NAMES[fd] as StreamName;
    if (this.#cut.has(name)) return;
    const size = this.#sizes.get(name) ?? { bytes: 0, chunks: 0 };
    this.#sizes.set(name, size);
    const hasRoom = size.chunks++ < Math.max(CHUNKS_AT_LEAST, this.#limit / CHUNK_SIZE);
    const kept = bytes.subarray(0, hasRoom ? Math.max(this.#limit - size.bytes, 0) : 0);
    size.bytes += kept.length;
    if (kept.length < bytes.length) this.#cut.add(name);
    if (kept.length === 0) return;
    if (fd === 0) this.#input.push(kept);
    else this.#chunks.push({ fd, bytes: kept, time: this.elapsed });
  }

  /** Milliseconds since the beginning. */
  get elapsed(): number {
    return Math.round((performance.now() - this.#begin) * 1000) / 1000;
  }

  /** What was recorded, as a record has it. */
  get changes() {
    const output = (fd: 1 | 2) =>
      this.#seen.has(NAMES[fd] as StreamName)
        ? joined(this.#chunks.filter((chunk) => chunk.fd === fd).map(({ bytes }) => bytes))
        : undefined;
    return {
      stdin: this.#seen.has("stdin") ? joined(this.#input) : undefined,
      stdout: output(1),
      stderr: output(2),
      chunks: [...this.#chunks],
      cut: [...this.#cut],
      readAll: this.readAll,
      duration: this.elapsed,
    };
  }
}

const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  new Uint8Array(Buffer.concat(parts));
