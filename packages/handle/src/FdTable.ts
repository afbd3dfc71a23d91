import * as far from "@rsyscall/far";
import { close, type Fd, NumberMap, SyscallSendError } from "@rsyscall/near";
import type { FdRange } from "@rsyscall/wire";
import { Effect } from "effect";
import type { FileDescriptor } from "./FileDescriptor.ts";
import type { Task } from "./Task.ts";

/** The largest number that close_range(2) knows. */
const LAST = 0xffffffff;

/** Options of a new {@link FdTable}. */
export interface FdTableOptions {
  /**
   * Whether other code in the process opens descriptors as well, as Node does. Those have no handle, and children
   * do not get them. Otherwise a descriptor without a handle came from the process's parent, and children inherit
   * it.
   */
  readonly strangers?: boolean;
  /**
   * What happens to each descriptor, by its number, if the program ends before its handles do: a descriptor that
   * was opened for a handle is marked `close`, and a closed one has no mark.
   */
  readonly atEnd?: { readonly marks: Uint8Array; readonly close: number };
}

/** The handles of one number, mostly one. An array is never modified. */
type Handles = FileDescriptor | ReadonlyArray<FileDescriptor>;

const allOf = (handles: Handles): ReadonlyArray<FileDescriptor> =>
  Array.isArray(handles) ? handles : [handles as FileDescriptor];

/**
 * A file descriptor table: the tasks in it, and which handles they have for each number. A
 * descriptor is closed when its last handle goes.
 */
export class FdTable extends far.FdTable {
  readonly #handles: Map<number, Handles> | NumberMap<Handles>;
  /** Handles of the table that this one is a copy of, for numbers that have not been closed since. */
  #inherited: Map<number, Handles> | undefined;
  /** Those that have been in it for longest come first. */
  #tasks: ReadonlyArray<Task> = [];
  readonly #strangers: boolean;
  readonly #atEnd: FdTableOptions["atEnd"];

  constructor(creatorPid: number, { strangers = false, atEnd }: FdTableOptions = {}) {
    super(creatorPid);
    // Descriptors of this process come and go with each call of a server.
    this.#handles = strangers ? new NumberMap() : new Map();
    this.#strangers = strangers;
    this.#atEnd = atEnd;
  }

  /** Marks a descriptor that a system call of rsyscall has just opened. */
  opened(fd: Fd): void {
    if (this.#atEnd === undefined) return;
    const { marks, close } = this.#atEnd;
    // A typed array ignores writes beyond its end.
    marks[fd] = (marks[fd] ?? 0) | close;
  }

  /** Notes that a handle stands for a descriptor of the table. */
  add(handle: FileDescriptor): void {
    const handles = this.#handles.get(handle.near);
    this.#handles.set(handle.near, handles === undefined ? handle : [...allOf(handles), handle]);
  }

  /** Forgets a handle. Returns whether it was the last one of its number. */
  remove(handle: FileDescriptor): boolean {
    const handles = this.#handles.get(handle.near);
    if (handles === undefined) return false;
    if (handles !== handle) {
      const all = allOf(handles);
      if (!all.includes(handle)) return false;
      const others = all.filter((other) => other !== handle);
      this.#handles.set(handle.near, others.length === 1 ? (others[0] as FileDescriptor) : others);
      return false;
    }
    this.#inherited?.delete(handle.near);
    // This is done before another task closes it. A close(2) by this process itself clears the mark.
    if (handle.task.sysif.activityFd !== undefined) this.disown(handle.near);
    return this.#handles.delete(handle.near);
  }

  /** Clears the mark of a descriptor, which stays open when the program ends. */
  disown(fd: number): void {
    if (this.#atEnd !== undefined) this.#atEnd.marks[fd] = 0;
  }

  /** Adds a task that uses this table. */
  join(task: Task): void {
    if (this.#tasks.includes(task)) return;
    this.#tasks = this.#tasks.concat(task);
  }

  /** Whether no other task uses this table. */
  isOnlyOf(task: Task): boolean {
    return this.#tasks.length === 1 && this.#tasks[0] === task;
  }

  /**
   * Removes a task that is gone, or that has a table of its own from now on: `to`, which its handles join. Closes
   * the descriptors for which only that task had a handle, through the tasks that stay.
   */
  leave(task: Task, to?: FdTable): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#tasks = this.#tasks.filter((other) => other !== task);
      const orphans: Array<number> = [];
      for (const [number, handles] of this.#handles)
        for (const handle of allOf(handles))
          if (handle.task === task) {
            if (this.remove(handle)) orphans.push(number);
            to?.add(handle);
          }
      return Effect.forEach(orphans, (number) => this.close(number as Fd), { discard: true });
    });
  }

  /**
   * close(2), through the task that has been in the table for longest: another task may be killed with the call
   * on its way, and then it is unknown whether the call was performed. If the call has to travel to another
   * process, the result is not waited for: the task may be inside a call that blocks.
   */
  close(fd: Fd): Effect.Effect<void> {
    return Effect.suspend(() => this.closeNow(fd) ?? Effect.void);
  }

  /** As `close`, and gives an effect only where something is left to do: this process closes at once. */
  closeNow(fd: Fd): Effect.Effect<void> | undefined {
    const [first] = this.#tasks;
    if (first === undefined) return undefined;
    const { abi, activityFd, direct } = first.sysif;
    if (activityFd === undefined && direct !== undefined) {
      direct.submit(abi.syscallNumber("close") as number, fd, 0, 0, 0, 0, 0);
      return undefined;
    }
    const through = ([task, ...rest]: Array<Task>): Effect.Effect<void> =>
      task === undefined
        ? Effect.void
        : Effect.catch(close(task.sysif, fd), (error) =>
            error instanceof SyscallSendError ? through(rest) : Effect.void,
          );
    const tasks = [...this.#tasks];
    return activityFd === undefined
      ? through(tasks)
      : Effect.asVoid(Effect.forkDetach(through(tasks), { startImmediately: true }));
  }

  /** The table of a child that does not share this one, once the child has closed the numbers of `closedOnFork`. */
  copy(childPid: number): FdTable {
    const copy = new FdTable(childPid);
    const inherited = new Map(this.#inherited);
    for (const [number, handles] of this.#handles)
      if (!isPrivate(handles))
        inherited.set(number, [...allOf(handles), ...allOf(inherited.get(number) ?? [])]);
    copy.#inherited = inherited;
    return copy;
  }

  /** Whether this table is a copy that has the descriptor of a handle of the original. */
  inherited(handle: FileDescriptor): boolean {
    return allOf(this.#inherited?.get(handle.near) ?? []).includes(handle);
  }

  /** The numbers that a child with a copy of this table closes, except `kept`. */
  closedOnFork(kept: ReadonlyArray<number>): ReadonlyArray<FdRange> {
    if (!this.#strangers)
      return [...this.#handles]
        .filter(([number, handles]) => isPrivate(handles) && !kept.includes(number))
        .map(([number]) => ({ first: number, last: number }));
    const open = [0, 1, 2, ...kept];
    for (const [number, handles] of this.#handles) if (!isPrivate(handles)) open.push(number);
    return gaps(open);
  }

  /**
   * The parts of a range that a caller may close: not the descriptors that rsyscall itself needs, nor those that other
   * code of the process has opened.
   */
  closable({ first, last }: FdRange): ReadonlyArray<FdRange> {
    const numbers = (belong: (handles: Handles) => boolean) =>
      [...this.#handles].filter(([, handles]) => belong(handles)).map(([number]) => number);
    const ranges = this.#strangers
      ? numbers((handles) => !isPrivate(handles)).map((number) => ({ first: number, last: number }))
      : gaps(numbers(isPrivate));
    return ranges
      .map((range) => ({
        first: Math.max(range.first, first),
        last: Math.min(range.last, last),
      }))
      .filter((range) => range.first <= range.last);
  }

  /** Notes that ranges of numbers were closed: all handles of them are invalid from now on. */
  closed(ranges: ReadonlyArray<FdRange>): void {
    const isClosed = (number: number) =>
      ranges.some(({ first, last }) => first <= number && number <= last);
    for (const [number, handles] of [...this.#handles])
      if (isClosed(number)) for (const handle of allOf(handles)) handle.disown();
    for (const number of this.#inherited?.keys() ?? [])
      if (isClosed(number)) this.#inherited?.delete(number);
  }

  /** The numbers for which the task has no handle, except stdio. */
  notOf(task: Task): ReadonlyArray<FdRange> {
    const own = [...this.#handles].filter(([, handles]) =>
      allOf(handles).some((handle) => handle.task === task),
    );
    return gaps([0, 1, 2, ...own.map(([number]) => number)]);
  }
}

/** Whether children must not get the descriptor. */
const isPrivate = (handles: Handles): boolean =>
  allOf(handles).every((handle) => handle.closeOnFork);

/** All numbers but these. */
const gaps = (numbers: ReadonlyArray<number>): ReadonlyArray<FdRange> => {
  const ranges: Array<FdRange> = [];
  let first = 0;
  for (const number of [...numbers].sort((a, b) => a - b)) {
    if (number < first) continue;
    if (first < number) ranges.push({ first, last: number - 1 });
    first = number + 1;
  }
  ranges.push({ first, last: LAST });
  return ranges;
};
