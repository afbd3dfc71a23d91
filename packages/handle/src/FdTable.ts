import * as far from "@rsyscall/far";
import type { FileDescriptor } from "./FileDescriptor.ts";

/**
 * A file descriptor table, and which handles there are for each number in it. A descriptor is closed
 * when its last handle goes.
 */
export class FdTable extends far.FdTable {
  readonly #handles = new Map<number, Set<FileDescriptor>>();

  add(handle: FileDescriptor): void {
    const handles = this.#handles.get(handle.near);
    if (handles === undefined) this.#handles.set(handle.near, new Set([handle]));
    else handles.add(handle);
  }

  /** Forgets a handle. Returns whether it was the last one of its number. */
  remove(handle: FileDescriptor): boolean {
    const handles = this.#handles.get(handle.near);
    if (handles === undefined || !handles.delete(handle) || handles.size > 0) return false;
    return this.#handles.delete(handle.near);
  }
}
