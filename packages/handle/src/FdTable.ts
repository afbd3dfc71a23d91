import * as far from "@rsyscall/far";
import { close, type Fd, SyscallSendError } from "@rsyscall/near";
import type { FdRange } from "@rsyscall/wire";
import { Effect } from "effect";
import type { FileDescriptor } from "./FileDescriptor.ts";
import type { Task } from "./Task.ts";

/** The largest number that close_range(2) knows. */
const LAST = 0xffffffff;

export interface FdTableOptions {
  /**
   * Whether others in the process open descriptors as well, as Node does. Those have no handle, and
   * are nothing to our children. Otherwise what has no handle came from whoever started the process,
   * and children inherit it.
   */
  readonly strangers?: boolean;
  /**
   * What becomes of each descriptor if the program ends before its handles do, by its number: those that
   * were opened for a handle are marked `close`, and what is closed is forgotten.
   */
  readonly atEnd?: { readonly marks: Uint8Array; readonly close: number };
}

/** Those of one number: mostly one, and never changed, for there are many numbers. */
type Handles = ReadonlyArray<FileDescriptor>;

/**
 * A file descriptor table: the tasks in it, and which handles they have for each number. A
 * descriptor is closed when its last handle goes.
 */
export class FdTable extends far.FdTable {
  readonly #handles = new Map<number, Handles>();
  /** Handles of the table that this one is a copy of, for numbers that nobody has closed since. */
  #inherited: Map<number, Handles> | undefined;
  readonly #tasks = new Set<Task>();
  readonly #strangers: boolean;
  readonly #atEnd: FdTableOptions["atEnd"];

  constructor(creatorPid: number, { strangers = false, atEnd }: FdTableOptions = {}) {
    super(creatorPid);
    this.#strangers = strangers;
    this.#atEnd = atEnd;
  }

  /** A system call has just given us this number: the descriptor is ours. */
  opened(fd: Fd): void {
    if (this.#atEnd === undefined) return;
    const { marks, close } = this.#atEnd;
    // A typed array ignores what lies beyond it.
    marks[fd] = (marks[fd] ?? 0) | close;
  }

  add(handle: FileDescriptor): void {
    const handles = this.#handles.get(handle.near);
    this.#handles.set(handle.near, handles === undefined ? [handle] : [...handles, handle]);
  }

  /** Forgets a handle. Returns whether it was the last one of its number. */
  remove(handle: FileDescriptor): boolean {
    const handles = this.#handles.get(handle.near);
    if (!handles?.includes(handle)) return false;
    if (handles.length > 1) {
      this.#handles.set(
        handle.near,
        handles.filter((other) => other !== handle),
      );
      return false;
    }
    this.#inherited?.delete(handle.near);
    // Before another task closes it. What this process closes it forgets by itself.
    if (handle.task.sysif.activityFd !== undefined) this.disown(handle.near);
    return this.#handles.delete(handle.near);
  }

  /** A descriptor is not ours any more, and stays open. */
  disown(fd: number): void {
    if (this.#atEnd !== undefined) this.#atEnd.marks[fd] = 0;
  }

  /** A task that uses this table. */
  join(task: Task): void {
    this.#tasks.add(task);
  }

  /** Whether no other task uses this table. */
  isOnlyOf(task: Task): boolean {
    return this.#tasks.size === 1 && this.#tasks.has(task);
  }

  /**
   * The task is gone, or has a table of its own from now on: `to`, where its handles go on. Closes
   * what only it had a handle for, through the tasks that stay.
   */
  leave(task: Task, to?: FdTable): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#tasks.delete(task);
      const orphans: Array<number> = [];
      for (const [number, handles] of this.#handles)
        for (const handle of handles)
          if (handle.task === task) {
            if (this.remove(handle)) orphans.push(number);
            to?.add(handle);
          }
      return Effect.forEach(orphans, (number) => this.close(number as Fd), { discard: true });
    });
  }

  /**
   * close(2), through the task that has been in the table for longest: the others may be killed with
   * the call on its way, and then nobody knows whether it was performed. Where it has to travel, nobody
   * waits for its result: the task may be inside a call that blocks.
   */
  close(fd: Fd): Effect.Effect<void> {
    const through = ([task, ...rest]: Array<Task>): Effect.Effect<void> =>
      task === undefined
        ? Effect.void
        : Effect.catch(close(task.sysif, fd), (error) =>
            error instanceof SyscallSendError ? through(rest) : Effect.void,
          );
    const tasks = [...this.#tasks];
    return tasks[0]?.sysif.activityFd === undefined
      ? through(tasks)
      : Effect.asVoid(Effect.forkDetach(through(tasks), { startImmediately: true }));
  }

  /** The table of a child that does not share this one, once it has closed what `closedOnFork` says. */
  copy(childPid: number): FdTable {
    const copy = new FdTable(childPid);
    const inherited = new Map(this.#inherited);
    for (const [number, handles] of this.#handles)
      if (!isPrivate(handles))
        inherited.set(number, [...handles, ...(inherited.get(number) ?? [])]);
    copy.#inherited = inherited;
    return copy;
  }

  /** Whether this table is a copy that has the descriptor of a handle of the original. */
  inherited(handle: FileDescriptor): boolean {
    return this.#inherited?.get(handle.near)?.includes(handle) ?? false;
  }

  /** The numbers that a child with a copy of this table closes, but for `kept`. */
  closedOnFork(kept: ReadonlyArray<number>): ReadonlyArray<FdRange> {
    if (!this.#strangers)
      return [...this.#handles]
        .filter(([number, handles]) => isPrivate(handles) && !kept.includes(number))
        .map(([number]) => ({ first: number, last: number }));
    const open = [...this.#handles].filter(([, handles]) => !isPrivate(handles));
    return gaps([0, 1, 2, ...kept, ...open.map(([number]) => number)]);
  }

  /** The numbers that are not the task's, though the table may have them. */
  notOf(task: Task): ReadonlyArray<FdRange> {
    const own = [...this.#handles].filter(([, handles]) =>
      handles.some((handle) => handle.task === task),
    );
    return gaps([0, 1, 2, ...own.map(([number]) => number)]);
  }
}

/** Whether nobody wants the descriptor in a child. */
const isPrivate = (handles: Handles): boolean => handles.every((handle) => handle.closeOnFork);

/** All numbers but these. */
const gaps = (numbers: ReadonlyArray<number>): ReadonlyArray<FdRange> => {
  const ranges: Array<FdRange> = [];
  let first = 0;
  for (const number of [...new Set(numbers)].sort((a, b) => a - b)) {
    if (first < number) ranges.push({ first, last: number - 1 });
    first = number + 1;
  }
  ranges.push({ first, last: LAST });
  return ranges;
};
