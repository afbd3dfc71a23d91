import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { Readiness, readiness } from "@rsyscall/native";
import { oneLine } from "../oneLine.ts";
import { atExit } from "./atExit.ts";

/** The maximum number of bytes that wait for a reader. Lines beyond that are lost, and counted in the text. */
const KEPT_AT_MOST = 1024 * 1024;

/** Bytes after which the text is written before the end of the turn of the event loop. */
const KEPT_IN_TURN = 64 * 1024;

/** Bytes of one write: a descriptor that is ready takes so many without waiting (PIPE_BUF of pipe(7)). */
const PIECE_SIZE = 4096;

/** Milliseconds between two checks whether there is room. */
const PAUSE = 10;

/** Milliseconds that the end of the process waits for a reader. */
const PATIENCE = 1000;

const POLLOUT = 4;

/**
 * The destination of the text of a trace: a descriptor of this process. Writes to it are not traced, are few, and
 * never wait. Text for which a pipe has no room is kept, up to 1 MiB; lines beyond that are lost, and the text says
 * how many. When the process ends, it waits for a reader for up to a second.
 */
export class TextOutput {
  /** The descriptor of this process to which the text is written. */
  readonly fd: number;
  readonly #owns: boolean;
  #kept: Array<Buffer> = [];
  #size = 0;
  #lost = 0;
  #willFlush = false;
  /** Whether there was no room at the last write. */
  #isFull = false;
  #hasEnded = false;
  readonly #forget: () => void;

  private constructor(fd: number, owns: boolean) {
    this.fd = fd;
    this.#owns = owns;
    this.#forget = atExit(() => this.#finish());
  }

  /**
   * Opens a file and appends the text to it. If the file does not exist, it is created, and only its owner may read
   * it, because the text may contain secrets.
   *
   * @throws Error if the file cannot be opened
   */
  static open(path: string): TextOutput {
    const { O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK } = constants;
    return new TextOutput(openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0o600), true);
  }

  /** Writes to standard error. The flags of a pipe are not changed, because other processes write to it too. */
  static stderr(): TextOutput {
    try {
      if (fstatSync(2).isFIFO()) {
        const { O_WRONLY, O_NONBLOCK } = constants;
        return new TextOutput(openSync("/proc/self/fd/2", O_WRONLY | O_NONBLOCK), true);
      }
    } catch {
      // It is closed, or belongs to another user: then each write is preceded by poll(2).
    }
    return new TextOutput(2, false);
  }

  /** Appends text: whole lines or the beginning of one. It is written at the end of this turn of the event loop. */
  write(text: string): void {
    if (this.#hasEnded) return;
    if (this.#size > KEPT_AT_MOST) {
      this.#lost++;
      return;
    }
    this.#keep(text);
    if (this.#size > KEPT_IN_TURN && !this.#isFull) this.flush();
    if (this.#willFlush) return;
    this.#willFlush = true;
    setImmediate(() => {
      this.#willFlush = false;
      this.flush();
    }).unref();
  }

  #keep(text: string): void {
    const bytes = Buffer.from(text);
    this.#kept.push(bytes);
    this.#size += bytes.length;
  }

  /** Writes as much of the kept text as is possible without waiting. */
  flush(): void {
    this.#isFull = !this.#flush();
    if (this.#isFull && !this.#willFlush) {
      this.#willFlush = true;
      setTimeout(() => {
        this.#willFlush = false;
        this.flush();
      }, PAUSE).unref();
    }
  }

  /** As `flush`; returns whether everything was written. */
  #flush(): boolean {
    if (this.#kept.length > 1) this.#kept = [Buffer.concat(this.#kept)];
    let [rest] = this.#kept;
    try {
      while (rest !== undefined && rest.length > 0) {
        if (readiness(this.fd, POLLOUT) === Readiness.WAITS) break;
        const count = writeSync(this.fd, rest, 0, Math.min(rest.length, PIECE_SIZE));
        rest = rest.subarray(count);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") {
        // The reader is gone, or the disk is full.
        this.close();
        return true;
      }
    }
    this.#size = rest?.length ?? 0;
    this.#kept = rest === undefined || rest.length === 0 ? [] : [rest];
    if (this.#size > 0) return false;
    if (this.#lost === 0) return true;
    const lost = this.#lost;
    this.#lost = 0;
    this.#keep(`--- ${lost} lines of the trace are lost: they were not read fast enough ---\n`);
    return this.#flush();
  }

  #finish(): void {
    const end = performance.now() + PATIENCE;
    const sleep = new Int32Array(new SharedArrayBuffer(4));
    while (!this.#flush() && performance.now() < end) Atomics.wait(sleep, 0, 0, PAUSE);
  }

  /** Ends the output. Text that was not written is lost. */
  close(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#kept = [];
    this.#size = 0;
    this.#forget();
    if (this.#owns) closeSync(this.fd);
  }
}

oneLine(TextOutput, (output) => `to fd ${output.fd}`);
