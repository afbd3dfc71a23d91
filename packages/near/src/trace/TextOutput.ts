import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { Readiness, readiness } from "@rsyscall/native";
import { oneLine } from "../oneLine.ts";
import { atExit } from "./atExit.ts";

/** Bytes that wait for a reader, at most: what comes then is lost, and that is said. */
const KEPT_AT_MOST = 1024 * 1024;

/** Bytes that are kept before they are written, also within a turn of the event loop. */
const KEPT_IN_TURN = 64 * 1024;

/** Bytes that one write takes: what is ready takes as many without waiting (PIPE_BUF of pipe(7)). */
const PIECE_SIZE = 4096;

/** Milliseconds between two looks whether there is room. */
const PAUSE = 10;

/** Milliseconds that the end of the process waits for a reader. */
const PATIENCE = 1000;

const POLLOUT = 4;

/**
 * Where the text of a trace goes: a descriptor of this process, which is written without system calls that are
 * traced, in few writes, and never waited for. What a pipe does not take is kept, up to 1 MiB; what comes beyond is
 * lost, and the text says how many lines that were. The end of the process waits for a reader for a second.
 */
export class TextOutput {
  /** The descriptor of this process that is written. */
  readonly fd: number;
  readonly #owns: boolean;
  #kept: Array<Buffer> = [];
  #size = 0;
  #lost = 0;
  #willFlush = false;
  /** Whether there was no room when it was last written. */
  #isFull = false;
  #hasEnded = false;
  readonly #forget: () => void;

  private constructor(fd: number, owns: boolean) {
    this.fd = fd;
    this.#owns = owns;
    this.#forget = atExit(() => this.#finish());
  }

  /**
   * A file, to whose end the text is written. It is created if need be, and only its owner may read it: there may be
   * secrets in it.
   *
   * @throws Error if it cannot be opened
   */
  static open(path: string): TextOutput {
    const { O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK } = constants;
    return new TextOutput(openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0o600), true);
  }

  /** Standard error. The flags of a pipe are left alone, for others write to it too. */
  static stderr(): TextOutput {
    try {
      if (fstatSync(2).isFIFO()) {
        const { O_WRONLY, O_NONBLOCK } = constants;
        return new TextOutput(openSync("/proc/self/fd/2", O_WRONLY | O_NONBLOCK), true);
      }
    } catch {
      // It is closed, or another user's: then it is asked before each write.
    }
    return new TextOutput(2, false);
  }

  /** Text, of whole lines or the beginning of one. Written at the end of this turn of the event loop. */
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

  /** Writes what is there, as far as that does not wait. */
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

  /** Whether everything is written. */
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
        // Nobody reads it any more, or the disk is full.
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

  /** Writes nothing more. What is kept is lost. */
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
