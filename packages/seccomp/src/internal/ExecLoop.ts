import {
  AT,
  EPOLL,
  Errno,
  type ExecConvention,
  SECCOMP_USER_NOTIF_FLAG_CONTINUE,
} from "@rsyscall/abi";
import { type Watch, watch } from "@rsyscall/native";
import { Pid } from "@rsyscall/near";
import type { Decision } from "../Decision.ts";
import { answered, ExecCall } from "../ExecCall.ts";
import type { End } from "../ExecEvent.ts";
import type { Desk } from "./Desk.ts";
import { now, type Process, Processes } from "./Processes.ts";
import { type Bounds, ProcessMemory } from "./ProcessMemory.ts";

/** Calls and events that are taken before other work of the program gets a turn. */
const TURN = 64;

/** Milliseconds that the last zombies may take to be waited for. */
const LAST_ENDS = 100;

/** The number of the listener in the epoll instance. */
export const LISTENER = 0;

/** A call that waits for an answer. */
export interface Waiting {
  readonly id: bigint;
  readonly call: ExecCall;
  readonly process: Process | undefined;
}

/** What a loop tells. */
export interface LoopEvents {
  /** A call waits for `answer`, perhaps made at once. */
  readonly onCall: (waiting: Waiting) => void;
  readonly onEnd: (end: End) => void;
  /** No process of the tree is left. Some may still be zombies. */
  readonly onNoneLeft: () => void;
  /** And all ends were told. */
  readonly onOver: () => void;
}

export interface LoopOptions {
  /** Descriptors of this process: an epoll instance in which the listener is `LISTENER`, and the listener. */
  readonly epoll: number;
  readonly listener: number;
  readonly execs: ReadonlyArray<ExecConvention>;
  readonly bounds: Bounds;
  readonly opened: (fd: number) => void;
}

/** Takes the calls of a tree from its listener, reads their arguments, and answers them. */
export class ExecLoop {
  readonly #desk: Desk;
  readonly #memory: ProcessMemory;
  readonly #options: LoopOptions;
  readonly #events: LoopEvents;
  readonly processes: Processes;
  #isClosed = false;
  /** In the event loop, unless the loop is paused. */
  #watch: Watch | undefined;
  #noneIsLeft = false;
  #isOver = false;
  #lastEnds: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  constructor(desk: Desk, options: LoopOptions, events: LoopEvents) {
    this.#desk = desk;
    this.#memory = new ProcessMemory(desk);
    this.#options = options;
    this.#events = events;
    this.processes = new Processes(desk, options.epoll, LISTENER + 1, options.opened);
  }

  /** Takes what there is. Called whenever the epoll instance becomes readable. */
  readonly take = (): void => {
    for (let i = 0; i < TURN; i++) {
      if (this.#watch === undefined) return;
      let events = 0;
      const hasMore = this.#desk.events(this.#options.epoll, (these, number) => {
        if (number === LISTENER) events = these;
        else this.processes.ended(number, this.#events.onEnd);
      });
      // The listener is level-triggered, so these are its events now: the call does not block.
      if (events & EPOLL.IN) this.#takeCall();
      else {
        if (events & EPOLL.HUP) this.#noneLeft();
        if (this.#noneIsLeft) this.#checkOver();
        if (!hasMore) return;
      }
    }
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.take();
    });
  };

  /** No process is left. The ends of zombies are known once their parents, or init, have waited for them. */
  #noneLeft(): void {
    if (this.#noneIsLeft) return;
    this.#noneIsLeft = true;
    // The hang-up would be reported again and again.
    this.#desk.remove(this.#options.epoll, this.#options.listener);
    this.#lastEnds = setTimeout(() => {
      this.processes.endAll(this.#events.onEnd);
      this.#checkOver();
    }, LAST_ENDS);
    this.#events.onNoneLeft();
  }

  #checkOver(): void {
    if (this.#isOver || this.processes.size > 0) return;
    this.#isOver = true;
    this.pause();
    clearTimeout(this.#lastEnds);
    this.#events.onOver();
  }

  /** Takes nothing until `resume`: processes that call wait. */
  pause(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }

  /** Takes what comes. The event loop goes on until the tree is over. */
  resume(): void {
    if (this.#watch !== undefined || this.#isClosed || this.#isOver) return;
    this.#watch = watch(this.#options.epoll, this.take);
    this.#watch.ref();
  }

  close(): void {
    this.#isClosed = true;
    this.pause();
    clearImmediate(this.#immediate);
    clearTimeout(this.#lastEnds);
    this.processes.close();
  }

  #takeCall(): void {
    // The process may have been killed since: ENOENT.
    if (this.#desk.receive(this.#options.listener) < 0) return;
    const waiting = this.#read();
    if (waiting !== undefined) this.#events.onCall(waiting);
  }

  /** Whether a call still waits: what was read is of its process then. */
  isWaiting({ id }: Waiting): boolean {
    return this.#desk.idValid(this.#options.listener, id);
  }

  /** Answers a call. Gives whether its process still waited for it. */
  answer({ id, call, process }: Waiting, decision: Decision): boolean {
    answered(call);
    if (this.#isClosed) return false;
    const { listener } = this.#options;
    const isAllowed = decision._tag === "Allow";
    // Before the answer: the process may have children as soon as it has the answer.
    if (isAllowed && process !== undefined) this.processes.executes(process, call);
    const error = isAllowed ? 0 : -Errno[decision.errno];
    const flags = isAllowed ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
    return this.#desk.respond(listener, id, error, flags) === 0;
  }

  /** Reads the arguments of the call that was received. */
  #read(): Waiting | undefined {
    const desk = this.#desk;
    const time = now();
    const id = desk.notifId;
    const tid = desk.notifPid;
    const arch = desk.notifArch;
    const number = desk.notifNumber;
    const convention = this.#options.execs.find(
      ({ auditArch, execve, execveat }) =>
        auditArch === arch && (number === execve || number === execveat),
    );
    if (convention === undefined) {
      // The filter does not notify of other calls.
      desk.respond(this.#options.listener, id, -Errno.ENOSYS, 0);
      return undefined;
    }
    const first = number === convention.execve ? 0 : 1;
    const dirfd = first === 0 ? AT.FDCWD : desk.notifArg(0) | 0;
    const flags = first === 0 ? 0 : desk.notifArg(4);
    const { pointerSize } = convention;
    const [at, argvAt, envAt] = [first, first + 1, first + 2].map((i) =>
      pointerSize === 8 ? desk.notifArg(i) : desk.notifArg(i) % 2 ** 32,
    ) as [number, number, number];
    const site = `${tid} ${desk.notifInstruction} ${argvAt}`;
    const { pid, ppid, parent, process } = this.processes.find(tid, this.#events.onEnd);
    const { bounds } = this.#options;
    const { pathname, argv } = this.#memory.call(tid, at, argvAt, pointerSize, bounds);
    const isRetry = process !== undefined && process.site === site;
    if (process !== undefined) process.site = site;
    const cwd = () => desk.readlink(`/proc/${tid}/cwd`);
    const call = new ExecCall(
      {
        pid,
        tid: Pid(tid),
        ppid,
        parent,
        path: this.#absolute(tid, pathname, dirfd, flags, cwd),
        pathname,
        argv: argv.strings,
        time,
        isRetry,
        problem: argv.problem,
      },
      { cwd, env: () => this.#memory.strings(tid, envAt, pointerSize, bounds).strings },
    );
    return { id, process, call };
  }

  #absolute(
    tid: number,
    pathname: string,
    dirfd: number,
    flags: number,
    cwd: () => string | undefined,
  ): string {
    if (pathname.startsWith("/")) return pathname;
    const base = dirfd === AT.FDCWD ? cwd() : this.#desk.readlink(`/proc/${tid}/fd/${dirfd}`);
    if (base === undefined) return pathname;
    if (pathname === "") return flags & AT.EMPTY_PATH ? base : pathname;
    return base.endsWith("/") ? base + pathname : `${base}/${pathname}`;
  }
}
