import { readFileSync } from "node:fs";
import { EPOLL, PIDFD_INFO } from "@rsyscall/abi";
import { Pid } from "@rsyscall/near";
import type { ExecCall, ExecParent } from "../ExecCall.ts";
import { type End, endStatus } from "../ExecEvent.ts";
import type { Desk } from "./Desk.ts";

/** Processes that are known at a time. The ends of further ones are not told. */
const MOST = 16_384;

/** The longest chain of parents that is followed. */
const GENERATIONS = 16;

/** What is kept of a parent: strings, and characters of each. */
const KEPT_ARGS = 64;
const KEPT_LENGTH = 256;

/** A process of the tree that has asked for an exec and has not ended, as far as is known. */
export interface Process {
  readonly pid: Pid;
  readonly pidfd: number;
  /** What the epoll instance reports for it. */
  readonly number: number;
  /** What is kept of its last call. */
  parent: ExecParent | undefined;
  /** Where its last call came from: the thread, the instruction and the address of argv. */
  site: string;
  /** When it was seen to have ended. Its parent may not have waited for it yet. */
  endedAt: number | undefined;
}

/** The process of a thread, and what is known of its parent. */
export interface Found {
  readonly pid: Pid;
  /** 0 if it is unknown. */
  readonly ppid: number;
  readonly parent: ExecParent | undefined;
  /** Undefined if there is no descriptor for it. */
  readonly process: Process | undefined;
}

/** Milliseconds since the epoch, with a fraction. */
export const now = (): number => origin + performance.now();

const origin = performance.timeOrigin;

/**
 * The processes of a tree that have asked for an exec, until they have ended: each by a pidfd, which never means
 * another process.
 */
export class Processes {
  readonly #desk: Desk;
  readonly #epoll: number;
  readonly #onOpened: (pidfd: number) => void;
  readonly #byPid = new Map<number, Process>();
  /** By the number that the epoll instance reports. */
  readonly #byNumber = new Map<number, Process>();
  #lastNumber: number;

  /**
   * @param epoll in which the pidfds are registered
   * @param firstNumber the numbers below are for other descriptors in the instance
   * @param opened notes a descriptor of this process
   */
  constructor(desk: Desk, epoll: number, firstNumber: number, opened: (pidfd: number) => void) {
    this.#desk = desk;
    this.#epoll = epoll;
    this.#lastNumber = firstNumber - 1;
    this.#onOpened = opened;
  }

  get size(): number {
    return this.#byPid.size;
  }

  /** The pids of those that are known. */
  pids(): ReadonlyArray<Pid> {
    return [...this.#byPid.values()].map(({ pid }) => pid);
  }

  /** Returns the process of a thread that makes a call, and its parent. `onEnd` gets an end that was not told yet. */
  find(tid: number, onEnd: (end: End) => void): Found {
    const found = this.#known(tid, onEnd) ?? this.#opened(tid);
    if (found !== undefined) return found;
    // It is not the first thread of its process, or there are too many.
    const pid = groupOf(tid) ?? tid;
    return (
      this.#known(pid, onEnd) ?? this.#opened(pid) ?? this.#found(pid, undefined, parentOf(pid))
    );
  }

  /** The process that has a number now, if it is known. */
  #known(pid: number, onEnd: (end: End) => void): Found | undefined {
    const process = this.#byPid.get(pid);
    if (process === undefined) return undefined;
    const result = this.#desk.getInfo(process.pidfd);
    if (!this.#isOver(process, result))
      return this.#found(pid, process, result === 0 ? this.#desk.infoParent : parentOf(pid));
    // Another process has got the number.
    this.#end(process, onEnd);
    return undefined;
  }

  #opened(pid: number): Found | undefined {
    const pidfd = this.#desk.pidfdOpen(pid);
    if (pidfd < 0) return undefined;
    const process = this.#add(pid, pidfd);
    if (process === undefined) return undefined;
    const result = this.#desk.getInfo(pidfd);
    return this.#found(pid, process, result === 0 ? this.#desk.infoParent : parentOf(pid));
  }

  #found(pid: number, process: Process | undefined, ppid = 0): Found {
    return { pid: Pid(pid), ppid, parent: this.#ancestor(ppid), process };
  }

  #add(pid: number, pidfd: number): Process | undefined {
    const desk = this.#desk;
    if (this.#byPid.size >= MOST) {
      desk.close(pidfd);
      return undefined;
    }
    const number = ++this.#lastNumber;
    if (desk.add(this.#epoll, pidfd, EPOLL.IN | EPOLL.ET, number) < 0) {
      desk.close(pidfd);
      return undefined;
    }
    this.#onOpened(pidfd);
    const process: Process = {
      pid: Pid(pid),
      pidfd,
      number,
      parent: undefined,
      site: "",
      endedAt: undefined,
    };
    this.#byPid.set(pid, process);
    this.#byNumber.set(number, process);
    return process;
  }

  /** The nearest ancestor that has executed a program in the tree. */
  #ancestor(first: number): ExecParent | undefined {
    let pid: number | undefined = first;
    for (let i = 0; i < GENERATIONS && pid !== undefined && pid > 1; i++) {
      const known = this.#byPid.get(pid)?.parent;
      if (known !== undefined) return known;
      pid = parentOf(pid);
    }
    return undefined;
  }

  /** Notes that a process executes a program. */
  executes(process: Process, call: ExecCall): void {
    process.parent = {
      pid: call.pid,
      path: cut(call.path),
      argv: call.argv.slice(0, KEPT_ARGS).map(cut),
    };
  }

  /** An event of a pidfd: its process has ended, or was waited for. */
  ended(number: number, onEnd: (end: End) => void): void {
    const process = this.#byNumber.get(number);
    if (process === undefined) return;
    process.endedAt ??= now();
    if (this.#isOver(process, this.#desk.getInfo(process.pidfd))) this.#end(process, onEnd);
  }

  /**
   * Whether there is nothing more to learn about a process, from the result of `getInfo`: it was waited for, or the
   * kernel tells no status.
   */
  #isOver({ endedAt }: Process, result: number): boolean {
    return result < 0 ? endedAt !== undefined : (this.#desk.infoMask & PIDFD_INFO.EXIT) !== 0;
  }

  /** Tells of the ends of all that is left, when the tree is over. */
  endAll(onEnd: (end: End) => void): void {
    for (const process of [...this.#byNumber.values()]) {
      this.#desk.getInfo(process.pidfd);
      this.#end(process, onEnd);
    }
  }

  /** Tells of an end, by what the last `getInfo` has said. */
  #end(process: Process, onEnd: (end: End) => void): void {
    const desk = this.#desk;
    const isTold = desk.infoMask & PIDFD_INFO.EXIT;
    const status = isTold ? endStatus(desk.infoExitCode) : undefined;
    desk.close(process.pidfd);
    this.#byNumber.delete(process.number);
    if (this.#byPid.get(process.pid) === process) this.#byPid.delete(process.pid);
    onEnd({ _tag: "End", pid: process.pid, time: process.endedAt ?? now(), status });
  }

  /** Sends a signal to a process of the tree: by its descriptor, or by its number if it is not known. */
  signal(pid: number, signal: number): void {
    const known = this.#byPid.get(pid);
    if (known !== undefined) this.#desk.sendSignal(known.pidfd, signal);
    else {
      const pidfd = this.#desk.pidfdOpen(pid);
      if (pidfd < 0) return;
      this.#desk.sendSignal(pidfd, signal);
      this.#desk.close(pidfd);
    }
  }

  /** Closes all descriptors. */
  close(): void {
    for (const { pidfd } of this.#byNumber.values()) this.#desk.close(pidfd);
    this.#byNumber.clear();
    this.#byPid.clear();
  }
}

const cut = (text: string): string =>
  text.length > KEPT_LENGTH ? `${text.slice(0, KEPT_LENGTH)}...` : text;

/** A small file of a process in /proc; undefined if the process is gone. */
const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
};

/** The process of a thread. */
const groupOf = (tid: number): number | undefined => {
  const found = /^Tgid:\s*(\d+)$/m.exec(read(`/proc/${tid}/status`) ?? "")?.[1];
  return found === undefined ? undefined : Number(found);
};

/** The parent of a process: proc_pid_stat(5). The name in parentheses may have any bytes. */
export const parentOf = (pid: number): number | undefined => {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(parent);
};
