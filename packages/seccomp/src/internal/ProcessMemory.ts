import { type ErrnoName, errnoName, fsDecode } from "@rsyscall/abi";
import { type Desk, PAGE, RANGES, ROOM } from "./Desk.ts";

/** Bytes that most paths and arguments fit in: what is read of each at first. */
const GUESS = 128;

/** How much is read of one exec. What is beyond is cut, and the call says so. */
export interface Bounds {
  /** Strings of argv, and of the environment. */
  readonly strings: number;
  /** Bytes of all strings together. */
  readonly bytes: number;
}

/** What was read of another process's memory. */
export interface Strings {
  readonly strings: ReadonlyArray<string>;
  /** Why there are no more, if there should be: the errno, or E2BIG at a bound. */
  readonly problem: ErrnoName | undefined;
}

/** Bytes of argv or envp that are read at first. */
const FIRST_POINTERS = 512;

/** The longest path that the kernel takes, with its NUL. */
const PATH_MAX = 4096;

/** Why less was read than there should be. */
const problemOf = (result: number): ErrnoName =>
  result < 0 ? (errnoName(-result) as ErrnoName) : "EFAULT";

const pageEnd = (address: number): number => address - (address % PAGE) + PAGE;

/**
 * Memory of another process, read by process_vm_readv(2). That process may change it meanwhile, and its pointers may
 * go anywhere: so each range is within one page, and all counts are bounded.
 */
export class ProcessMemory {
  readonly #desk: Desk;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  /** Reads the path and argv of an exec: most of them by two calls. */
  call(
    pid: number,
    path: number,
    argv: number,
    pointerSize: 4 | 8,
    bounds: Bounds,
  ): { readonly pathname: string; readonly argv: Strings } {
    const desk = this.#desk;
    const ofArgv = argv === 0 ? 0 : Math.min(FIRST_POINTERS, pageEnd(argv) - argv);
    const ofPath = Math.min(GUESS, pageEnd(path) - path);
    if (ofArgv > 0) desk.range(0, argv, ofArgv);
    const ranges = ofArgv > 0 ? 2 : 1;
    desk.range(ranges - 1, path, ofPath);
    const got = desk.read(pid, ranges, ofArgv + ofPath);
    if (got <= ofArgv) return { pathname: "", argv: { strings: [], problem: problemOf(got) } };
    const nul = desk.dataNul(ofArgv, got);
    const begun = nul < 0 ? desk.data(ofArgv, got) : undefined;
    const short = nul < 0 ? "" : desk.dataText(ofArgv, nul);
    const pointers: Array<number> = [];
    let problem: ErrnoName | undefined;
    if (ofArgv > 0 && !this.#takePointers(ofArgv, pointerSize, bounds.strings, pointers))
      problem = this.#pointers(pid, argv + ofArgv, pointerSize, bounds.strings, pointers);
    const rest =
      begun === undefined ? undefined : this.#rest(pid, path + begun.length, begun, PATH_MAX);
    const read = this.#strings(pid, pointers, bounds.bytes);
    return {
      pathname: rest === undefined ? short : typeof rest === "string" ? "" : fsDecode(rest),
      argv: {
        strings: read.strings,
        problem: (typeof rest === "string" ? rest : undefined) ?? read.problem ?? problem,
      },
    };
  }

  /** Reads an array of addresses of strings, which ends with NULL: argv, envp. NULL itself is an empty one. */
  strings(pid: number, address: number, pointerSize: 4 | 8, bounds: Bounds): Strings {
    if (address === 0) return { strings: [], problem: undefined };
    const pointers: Array<number> = [];
    const problem = this.#pointers(pid, address, pointerSize, bounds.strings, pointers);
    const read = this.#strings(pid, pointers, bounds.bytes);
    return { strings: read.strings, problem: read.problem ?? problem };
  }

  /** Reads addresses until NULL. */
  #pointers(
    pid: number,
    address: number,
    size: 4 | 8,
    most: number,
    into: Array<number>,
  ): ErrnoName | undefined {
    const desk = this.#desk;
    let at = address;
    // Most arrays end within the first few.
    let length = Math.min(FIRST_POINTERS, pageEnd(at) - at);
    for (;;) {
      desk.range(0, at, length);
      const count = desk.read(pid, 1, length);
      // An array that is not aligned may have an address on two pages; no compiler makes one.
      if (count < size) return problemOf(count);
      if (this.#takePointers(count, size, most, into))
        return into.length > most ? "E2BIG" : undefined;
      at += count - (count % size);
      length = pageEnd(at) - at;
    }
  }

  /** Takes addresses from the first bytes of the data. Gives whether there was a NULL, or one too many. */
  #takePointers(bytes: number, size: 4 | 8, most: number, into: Array<number>): boolean {
    for (let i = 0; i + size <= bytes; i += size) {
      const pointer = this.#desk.dataPointer(i, size);
      if (pointer === 0) return true;
      if (into.push(pointer) > most) return true;
    }
    return false;
  }

  /** Reads strings at these addresses, mostly all by one call. */
  #strings(pid: number, pointers: ReadonlyArray<number>, most: number): Strings {
    const desk = this.#desk;
    const strings: Array<string> = [];
    let left = most;
    /** Where each string of the batch begins in the data, and where its range ends. */
    const starts: Array<number> = [];
    const ends: Array<number> = [];
    while (strings.length < pointers.length) {
      const first = strings.length;
      const used = this.#plan(pointers, first, starts, ends);
      const got = desk.read(pid, used.ranges, used.bytes);
      if (got < 0) return { strings, problem: problemOf(got) };
      for (let i = 0; i < starts.length; i++) {
        const start = starts[i] as number;
        const end = Math.min(ends[i] as number, got);
        if (start >= end) return { strings, problem: "EFAULT" };
        const nul = desk.dataNul(start, end);
        const length = (nul < 0 ? end : nul) - start;
        left -= length + 1;
        if (left < 0) return { strings, problem: "E2BIG" };
        if (nul >= 0) {
          strings.push(desk.dataText(start, nul));
          continue;
        }
        const pointer = pointers[first + i] as number;
        const rest = this.#rest(pid, pointer + length, desk.data(start, end), left);
        if (typeof rest === "string") return { strings, problem: rest };
        left -= rest.length - length;
        strings.push(fsDecode(rest));
        // The data of the batch is overwritten.
        break;
      }
    }
    return { strings, problem: undefined };
  }

  /**
   * Sets ranges for as many strings as one call reads, from the one with index `first` on. Strings that follow each
   * other in memory, as those on a stack do, share a range.
   */
  #plan(
    pointers: ReadonlyArray<number>,
    first: number,
    starts: Array<number>,
    ends: Array<number>,
  ): { ranges: number; bytes: number } {
    const desk = this.#desk;
    starts.length = 0;
    ends.length = 0;
    let ranges = 0;
    let bytes = 0;
    // The range that was begun last, and where it lies in the data.
    let from = 0;
    let to = 0;
    let base = 0;
    let firstOfRange = 0;
    const close = () => {
      for (let i = firstOfRange; i < starts.length; i++) ends[i] = base + to - from;
    };
    for (let i = first; i < pointers.length; i++) {
      const pointer = pointers[i] as number;
      const end = Math.min(pointer + GUESS, pageEnd(pointer));
      if (ranges > 0 && pointer >= from && pointer <= to && end <= pageEnd(from)) {
        bytes += Math.max(0, end - to);
        to = Math.max(to, end);
      } else {
        if (ranges === RANGES) break;
        close();
        firstOfRange = starts.length;
        [from, to, base] = [pointer, end, bytes];
        bytes += end - pointer;
        ranges++;
      }
      desk.range(ranges - 1, from, to - from);
      starts.push(base + pointer - from);
      if (bytes + PAGE > ROOM) break;
    }
    close();
    return { ranges, bytes };
  }

  /** Reads the rest of a long string, page by page. */
  #rest(pid: number, address: number, begun: Uint8Array, most: number): Uint8Array | ErrnoName {
    const desk = this.#desk;
    const parts = [begun];
    let length = 0;
    let at = address;
    for (;;) {
      let total = 0;
      let ranges = 0;
      for (let next = at; ranges < ROOM / PAGE - 1; ranges++) {
        const size = pageEnd(next) - next;
        desk.range(ranges, next, size);
        total += size;
        next += size;
      }
      const got = desk.read(pid, ranges, total);
      if (got <= 0) return problemOf(got);
      const nul = desk.dataNul(0, got);
      const part = desk.data(0, nul < 0 ? got : nul);
      parts.push(part);
      length += part.length;
      if (length > most) return "E2BIG";
      if (nul >= 0) return Buffer.concat(parts);
      at += got;
    }
  }
}
