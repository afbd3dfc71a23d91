import { oneLine } from "@rsyscall/near";
import type { RecordedProcess, Recorder } from "./Recorder.ts";
import { duration, programs } from "./text.ts";

/** Milliseconds between two pictures. */
const INTERVAL = 100;

/** Lines of one picture of the mode "lines". */
const MOST_LINES = 20;

/** Of a terminal that does not say its size. */
const COLUMNS = 80;
const ROWS = 24;

/** A terminal, as `process.stderr` is one. */
export interface Screen {
  /** Its width in characters; undefined if it is no terminal, and 0 if it does not say. */
  readonly columns?: number | undefined;
  /** Its height in lines. */
  readonly rows?: number | undefined;
  /** Writes text. */
  readonly write: (text: string) => unknown;
}

/**
 * Shows a tree while it grows, at most ten times a second. In the mode "lines", each process is a line that stays, so
 * the command may write to the same terminal. In the mode "picture", those that run now are drawn anew in place of
 * the last picture.
 */
export class Live {
  readonly #recorder: Recorder;
  readonly #screen: Screen;
  readonly #mode: "lines" | "picture";
  readonly #timer: NodeJS.Timeout;
  /** Processes that are shown as lines. */
  #shown = 0;
  /** Lines of the picture that is on the screen. */
  #drawn = 0;

  constructor(recorder: Recorder, screen: Screen, mode: "lines" | "picture") {
    this.#recorder = recorder;
    this.#screen = screen;
    this.#mode = mode;
    this.#timer = setInterval(() => this.draw(), INTERVAL);
    this.#timer.unref();
  }

  /** Shows what is new. */
  draw(): void {
    if (this.#mode === "lines") this.#drawLines();
    else this.#drawPicture();
  }

  #drawLines(): void {
    const { processes } = this.#recorder;
    const fresh = processes.slice(this.#shown, this.#shown + MOST_LINES);
    const skipped = processes.length - this.#shown - fresh.length;
    this.#shown = processes.length;
    let text = fresh.map((process) => `${this.#line(process)}\n`).join("");
    if (skipped > 0) text += `... ${skipped} more\n`;
    if (text !== "") this.#screen.write(text);
  }

  #line(process: RecordedProcess): string {
    const indent = "  ".repeat(Math.min(depth(process), 20));
    return `${indent}${programs(process)}`.slice(0, (this.#screen.columns || COLUMNS) - 1);
  }

  #drawPicture(): void {
    const columns = this.#screen.columns || COLUMNS;
    const rows = this.#screen.rows || ROWS;
    const start = performance.timeOrigin + performance.now() - this.#recorder.start;
    const living = [...this.#recorder.living];
    const lines = inTreeOrder(living).map((process) => {
      const ran = duration(Math.max(0, start - process.start));
      return `${this.#line(process).slice(0, columns - ran.length - 3)}  ${ran}`;
    });
    const most = Math.max(1, rows - 2);
    const shown = lines.slice(0, most);
    if (lines.length > most) shown.push(`... ${lines.length - most} more`);
    this.#erase();
    this.#screen.write(shown.map((line) => `${line}\n`).join(""));
    this.#drawn = shown.length;
  }

  #erase(): void {
    if (this.#drawn > 0) this.#screen.write(`\x1b[${this.#drawn}A\x1b[J`);
    this.#drawn = 0;
  }

  /** Shows the rest, and takes the picture from the screen. */
  close(): void {
    clearInterval(this.#timer);
    if (this.#mode === "lines") this.#drawLines();
    else this.#erase();
  }
}

oneLine(Live, () => "of a recorder");

/** The generations above a process; a chain may be long. */
const depth = (process: RecordedProcess): number => {
  let depth = 0;
  for (let parent = process.parent; parent !== undefined && depth < 100; parent = parent.parent)
    depth++;
  return depth;
};

/** Parents before their children. */
const inTreeOrder = (living: ReadonlyArray<RecordedProcess>): ReadonlyArray<RecordedProcess> => {
  const isShown = new Set(living);
  const ordered: Array<RecordedProcess> = [];
  const rest = living
    .filter(({ parent }) => parent === undefined || !isShown.has(parent))
    .reverse();
  for (let process = rest.pop(); process !== undefined; process = rest.pop()) {
    ordered.push(process);
    for (const child of process.children.slice().reverse())
      if (isShown.has(child)) rest.push(child);
  }
  return ordered;
};
