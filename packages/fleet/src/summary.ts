import { printable } from "@rsyscall/near";
import { Effect, Stream } from "effect";
import { HostError } from "./HostError.ts";
import type { RunEvent } from "./run.ts";

/** Failures with different texts that `toString` shows; the others are counted. */
const SHOWN = 20;

/** Names that `toString` shows of one kind. */
const NAMES = 10;

/** Characters of the text of a failure that `toString` shows. */
const REASON = 300;

/** Characters of the text of a failure that is kept. */
const DETAIL = 4096;

/** A host on which a program has failed. */
export interface FailedHost {
  /** Its name. */
  readonly host: string;
  /** The name of the error: `CommandError`, `SshError`. */
  readonly error: string;
  /** Its message, of at most 4096 characters. */
  readonly detail: string;
  /** In milliseconds. */
  readonly duration: number;
}

/**
 * What a run has come to, so far or at its end: made from the events of `Fleet.run`. It keeps no results, so it is small
 * for any number of hosts.
 *
 * @example
 * ```ts
 * import { Cluster, command, Fleet, Hosts, RunSummary } from "@rsyscall/fleet";
 * import { Effect, Layer } from "effect";
 *
 * const fleet = Fleet.layer({ programs: [command] }).pipe(
 *   Layer.provide(Hosts.bySsh()),
 *   Layer.provideMerge(Cluster.memory()),
 * );
 * const hosts = ["web1", "web2"];
 * const program = Effect.gen(function* () {
 *   const summary = yield* RunSummary.of(hosts, Fleet.run(command, hosts, { words: ["uptime"] }));
 *   console.log(String(summary)); // 2 hosts in 0.3 s: 2 done
 * }).pipe(Effect.provide(fleet));
 * ```
 */
export class RunSummary {
  /** The hosts of which nothing was heard yet. */
  readonly #waiting: Set<string>;
  readonly #running = new Set<string>();
  readonly #failed: Array<FailedHost> = [];
  readonly #skipped: Array<string> = [];
  readonly #hosts: number;
  readonly #begun = performance.now();
  #duration = 0;
  #done = 0;

  /** @param hosts those of the run */
  constructor(hosts: Iterable<string>) {
    this.#waiting = new Set(hosts);
    this.#hosts = this.#waiting.size;
  }

  /** Runs a stream of events to its end, and gives what it has come to. */
  static of<E, R>(
    hosts: Iterable<string>,
    events: Stream.Stream<RunEvent, E, R>,
  ): Effect.Effect<RunSummary, E, R> {
    return Effect.suspend(() => {
      const summary = new RunSummary(hosts);
      const add = (event: RunEvent) => Effect.sync(() => summary.add(event));
      return Effect.as(Stream.runForEach(events, add), summary);
    });
  }

  /** Takes the next event. */
  add(event: RunEvent): void {
    const { host } = event;
    this.#duration = performance.now() - this.#begun;
    this.#waiting.delete(host);
    if (event._tag === "Started") {
      this.#running.add(host);
      return;
    }
    this.#running.delete(host);
    if (event._tag === "Done") this.#done++;
    else if (event._tag === "Skipped") this.#skipped.push(host);
    else
      this.#failed.push({
        host,
        ...described(event.error),
        duration: Math.round(event.duration),
      });
  }

  /** How many hosts the run has. */
  get hosts(): number {
    return this.#hosts;
  }

  /** On how many hosts it is done. */
  get done(): number {
    return this.#done;
  }

  /** Where it has failed, in the order in which that was seen. */
  get failed(): ReadonlyArray<FailedHost> {
    return this.#failed;
  }

  /** Hosts that were left out, because others had failed. */
  get skipped(): ReadonlyArray<string> {
    return this.#skipped;
  }

  /** Hosts on which it was begun, and of whose end nothing is known: it runs, or was interrupted. */
  get unfinished(): ReadonlyArray<string> {
    return [...this.#running];
  }

  /** Hosts on which it was not begun. */
  get notBegun(): ReadonlyArray<string> {
    return [...this.#waiting];
  }

  /** Milliseconds from the beginning to the last event; to now, while there are hosts of which no end is known. */
  get duration(): number {
    return this.#running.size + this.#waiting.size > 0
      ? performance.now() - this.#begun
      : this.#duration;
  }

  /** Whether it is done on every host. */
  get isDone(): boolean {
    return this.#done === this.#hosts;
  }

  /** A line with the numbers, and then a line for each kind of failure with the hosts that have it. */
  toString(): string {
    const kinds: ReadonlyArray<readonly [string, number]> = [
      ["done", this.#done],
      ["failed", this.#failed.length],
      ["skipped", this.#skipped.length],
      ["not finished", this.#running.size],
      ["not begun", this.#waiting.size],
    ];
    const counts = kinds.flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []));
    const hosts = this.#hosts === 1 ? "1 host" : `${this.#hosts} hosts`;
    const seconds = (this.duration / 1000).toFixed(1);
    const lines = [`${hosts} in ${seconds} s: ${counts.join(", ") || "nothing to do"}`];
    const byText = new Map<string, Array<string>>();
    for (const { host, detail } of this.#failed) {
      const text = printable(reasonIn(detail));
      const names = byText.get(text);
      if (names === undefined) byText.set(text, [host]);
      else names.push(host);
    }
    const groups = [...byText];
    for (const [text, names] of groups.slice(0, SHOWN))
      lines.push(`failed: ${listed(names)}: ${text}`);
    if (groups.length > SHOWN) lines.push(`and ${groups.length - SHOWN} more kinds of failures`);
    if (this.#skipped.length > 0)
      lines.push(`skipped, because others have failed: ${listed(this.#skipped)}`);
    if (this.#running.size > 0) lines.push(`not finished: ${listed(this.unfinished)}`);
    if (this.#waiting.size > 0) lines.push(`not begun: ${listed(this.notBegun)}`);
    return lines.join("\n");
  }

  /** The same as data. */
  toJSON(): {
    readonly hosts: number;
    readonly done: number;
    readonly failed: ReadonlyArray<FailedHost>;
    readonly skipped: ReadonlyArray<string>;
    readonly unfinished: ReadonlyArray<string>;
    readonly notBegun: ReadonlyArray<string>;
    readonly duration: number;
  } {
    const { hosts, done, failed, skipped, unfinished, notBegun, duration } = this;
    return { hosts, done, failed, skipped, unfinished, notBegun, duration: Math.round(duration) };
  }
}

/** The end of a long text, where the reason is. */
const reasonIn = (detail: string): string => {
  const text = detail.trim();
  return text.length <= REASON ? text : `...${text.slice(-REASON)}`;
};

const listed = (names: ReadonlyArray<string>): string => {
  const shown = names.slice(0, NAMES).map((name) => printable(name, 100));
  const more = names.length - shown.length;
  return `${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
};

/** The name and the text of any error. A HostError names its host in its message, which is said anyway. */
const described = (error: unknown): Pick<FailedHost, "error" | "detail"> => {
  const cut = (text: string) => (text.length > DETAIL ? `${text.slice(0, DETAIL)}...` : text);
  if (error instanceof HostError)
    return {
      error: error.error,
      detail: cut(error.message.replace(`${printable(error.host)}: `, "")),
    };
  if (error instanceof Error)
    return {
      error: "_tag" in error && typeof error._tag === "string" ? error._tag : error.name,
      detail: cut(error.message),
    };
  return { error: "unknown", detail: cut(String(error)) };
};
