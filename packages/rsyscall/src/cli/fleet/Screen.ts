import type { RunSummary } from "@rsyscall/fleet";

/** Milliseconds between two drawings of the bar. */
const INTERVAL = 100;

/** Characters of the bar itself. */
const BAR = 24;

/** What erases the line of a terminal in which the cursor is. */
const ERASE = "\r\u001b[K";

/**
 * The outputs of a run. If stderr is a terminal, its last line is a bar; else there is a line for each host that has come
 * to its end.
 */
export class Screen {
  readonly #summary: RunSummary;
  readonly #hasBar: boolean;
  /** Whether each host that has come to its end has a line. */
  readonly hasLines: boolean;
  #timer: NodeJS.Timeout | undefined;
  #isDrawn = false;
  #hasChanged = false;

  constructor(summary: RunSummary, quiet: boolean) {
    this.#summary = summary;
    const isTerminal = process.stderr.isTTY === true && process.env["TERM"] !== "dumb";
    this.#hasBar = isTerminal && !quiet;
    this.hasLines = !isTerminal && !quiet;
  }

  /** Shows the bar, until `close`. */
  open(): void {
    if (!this.#hasBar) return;
    this.#draw();
    this.#timer = setInterval(() => {
      if (this.#hasChanged) this.#draw();
    }, INTERVAL);
    this.#timer.unref();
  }

  /** The numbers have changed. */
  update(): void {
    this.#hasChanged = true;
  }

  /** Writes lines above the bar, as fast as the stream takes them. */
  async write(stream: NodeJS.WriteStream, text: string): Promise<void> {
    if (text === "") return;
    this.#erase();
    this.#hasChanged = true;
    if (stream.write(text) || stream.destroyed) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        stream.off("drain", done).off("close", done).off("error", done);
        resolve();
      };
      stream.on("drain", done).on("close", done).on("error", done);
    });
  }

  /** Removes the bar. */
  close(): void {
    clearInterval(this.#timer);
    this.#erase();
  }

  #erase(): void {
    if (this.#isDrawn) process.stderr.write(ERASE);
    this.#isDrawn = false;
  }

  #draw(): void {
    this.#hasChanged = false;
    const { done, failed, hosts, skipped, unfinished } = this.#summary;
    const ended = done + failed.length + skipped.length;
    const full = hosts === 0 ? BAR : Math.floor((ended / hosts) * BAR);
    const failures = failed.length === 0 ? "" : `, ${failed.length} failed`;
    const running = unfinished.length === 0 ? "" : `: ${unfinished.join(" ")}`;
    const line = `[${"#".repeat(full)}${"-".repeat(BAR - full)}] ${ended}/${hosts}${failures}${running}`;
    // The line must not be wrapped: only its last part would be erased then.
    // A terminal that does not know its size says 0.
    const width = (process.stderr.columns || 80) - 1;
    process.stderr.write(`${ERASE}${line.slice(0, width)}`);
    this.#isDrawn = true;
  }
}
