import { signalName } from "@rsyscall/abi";
import { oneLine } from "@rsyscall/near";
import type { Exec, ExecEvent } from "@rsyscall/seccomp";
import { type ExecReport, REPORT_VERSION, type Report } from "./Report.ts";

/** Processes that are kept by default. */
const MOST_PROCESSES = 100_000;

/** Programs that are kept of one process: the last ones. */
const MOST_EXECS = 64;

/** Characters of arguments that are kept of one exec. */
const MOST_CHARACTERS = 16_384;

/** Characters that are kept of all. */
const MOST_IN_ALL = 256 * 1024 * 1024;

/** A process that has executed programs. */
export interface RecordedProcess {
  /** Its place in `processes` of the recorder. */
  readonly index: number;
  /** Its number in the pid namespace of the controller. */
  readonly pid: number;
  /** The nearest ancestor that has executed a program. */
  readonly parent: RecordedProcess | undefined;
  /** Those whose nearest recorded ancestor it is. */
  readonly children: Array<RecordedProcess>;
  /** When it asked for its first exec: milliseconds since the epoch. */
  readonly start: number;
  /** When it ended: milliseconds since the epoch; undefined if that was not seen. */
  end: number | undefined;
  /** Its exit status; undefined if a signal has ended it, or if that is unknown. */
  exitStatus: number | undefined;
  /** The name of the signal that has ended it. */
  signal: string | undefined;
  /** The programs that it became, one after the other. */
  readonly execs: Array<ExecReport>;
}

/** Makes a tree of the events of an `ExecWatch`. Its memory is bounded, however many processes there are. */
export class Recorder {
  readonly #command: ReadonlyArray<string>;
  /** Milliseconds since the epoch. */
  readonly start: number;
  readonly #most: number;
  #last: number;
  #dropped = 0;
  #characters = 0;
  readonly #processes: Array<RecordedProcess> = [];
  /** Those that have not ended, by their pids. */
  readonly #living = new Map<number, RecordedProcess>();
  /** Further ones that have not ended. */
  readonly #others = new Set<number>();

  /**
   * @param start milliseconds since the epoch
   * @param most processes that are kept; further ones are counted
   */
  constructor(command: ReadonlyArray<string>, start = Date.now(), most = MOST_PROCESSES) {
    this.#command = command;
    this.#most = most;
    this.start = start;
    this.#last = start;
  }

  /** In the order in which they asked for their first exec. */
  get processes(): ReadonlyArray<RecordedProcess> {
    return this.#processes;
  }

  /** Those that have not ended. */
  get living(): Iterable<RecordedProcess> {
    return this.#living.values();
  }

  /** Takes the next event. Gives the process, if it is kept. */
  add(event: ExecEvent): RecordedProcess | undefined {
    const time = event._tag === "Exec" ? event.call.time : event.time;
    this.#last = Math.max(this.#last, time);
    if (event._tag === "Exec") return this.#addExec(event);
    this.#others.delete(event.pid);
    const process = this.#living.get(event.pid);
    if (process === undefined) return undefined;
    this.#living.delete(event.pid);
    process.end = time - this.start;
    process.exitStatus = event.status?.exitStatus;
    const signal = event.status?.signal;
    process.signal = signal === undefined ? undefined : signalName(signal);
    return process;
  }

  #addExec(event: Exec): RecordedProcess | undefined {
    const { call } = event;
    const process = this.#living.get(call.pid) ?? this.#begin(event);
    if (process === undefined) return undefined;
    if (call.isRetry) process.execs.pop();
    else if (process.execs.length === MOST_EXECS) process.execs.splice(1, 1);
    process.execs.push(this.#exec(event));
    return process;
  }

  #begin({ call }: Exec): RecordedProcess | undefined {
    if (this.#processes.length >= this.#most) {
      if (!this.#others.has(call.pid)) this.#dropped++;
      if (this.#others.size < this.#most) this.#others.add(call.pid);
      return undefined;
    }
    const parent = call.parent === undefined ? undefined : this.#living.get(call.parent.pid);
    const process: RecordedProcess = {
      index: this.#processes.length,
      pid: call.pid,
      parent,
      children: [],
      start: call.time - this.start,
      end: undefined,
      exitStatus: undefined,
      signal: undefined,
      execs: [],
    };
    parent?.children.push(process);
    this.#processes.push(process);
    this.#living.set(call.pid, process);
    return process;
  }

  #exec({ call, decision, failure }: Exec): ExecReport {
    const most = Math.min(MOST_CHARACTERS, MOST_IN_ALL - this.#characters);
    const argv: Array<string> = [];
    let length = 0;
    for (const argument of call.argv) {
      if (length + argument.length > most) break;
      argv.push(argument);
      // An empty one takes memory too.
      length += argument.length + 8;
    }
    this.#characters += length;
    return {
      time: call.time - this.start,
      path: call.path,
      argv,
      isCut: argv.length < call.argv.length || call.problem !== undefined,
      denied:
        decision._tag === "Allow"
          ? null
          : { errno: decision.errno, message: failure ?? decision.message ?? null },
    };
  }

  /** What was recorded so far. */
  report(): Report {
    return {
      format: "rsyscall-watch",
      version: REPORT_VERSION,
      command: this.#command,
      start: new Date(this.start).toISOString(),
      duration: rounded(this.#last - this.start),
      processes: this.#processes.map(({ pid, parent, start, end, exitStatus, signal, execs }) => ({
        pid,
        parent: parent?.index ?? null,
        start: rounded(start),
        end: end === undefined ? null : rounded(end),
        exitStatus: exitStatus ?? null,
        signal: signal ?? null,
        execs: execs.map((exec) => ({ ...exec, time: rounded(exec.time) })),
      })),
      dropped: this.#dropped,
    };
  }
}

oneLine(Recorder, ({ processes }) => `${processes.length} processes`);

/** In microseconds: more digits would only be noise. */
const rounded = (milliseconds: number): number => Math.round(milliseconds * 1000) / 1000;
