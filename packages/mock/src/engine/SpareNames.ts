import { mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { directoriesOf, placeEverything } from "../names.ts";

/** A directory of names that no mock uses now. */
interface Spare {
  readonly path: string;
  /** What it was made for. */
  readonly key: string;
  /** When it was changed last. */
  readonly changed: bigint;
}

/** Directories that are kept. */
const KEPT_AT_MOST = 4;

/**
 * Directories with all names of a PATH, for the next mocks: to make one takes thousands of system calls. Their links are
 * relative, so a rename(2) moves one from a mock that ends to one that begins.
 */
export class SpareNames {
  readonly #directory: string;
  readonly #spares: Array<Spare> = [];
  #count = 0;

  /** @param directory in which they are kept. It need not be there. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes the directory `bin` of a mock. Gives what gives it back: call that before the mock's directory is removed. */
  take(mock: string, searchPath: string, allow: ReadonlyArray<string>): () => void {
    const bin = `${mock}/bin`;
    const key = keyOf(searchPath, allow);
    const at = this.#spares.findIndex((spare) => spare.key === key);
    const [spare] = at < 0 ? [] : this.#spares.splice(at, 1);
    if (spare !== undefined) renameSync(spare.path, bin);
    else {
      mkdirSync(bin);
      placeEverything(bin, searchPath, allow);
    }
    const changed = spare?.changed ?? changedOf(bin);
    return () => this.#keep(bin, key, changed);
  }

  /** Keeps a directory, unless a test has put something else into it. */
  #keep(bin: string, key: string, changed: bigint): void {
    if (this.#spares.length === KEPT_AT_MOST || changedOf(bin) !== changed) return;
    mkdirSync(this.#directory, { recursive: true });
    const path = `${this.#directory}/${this.#count++}`;
    renameSync(bin, path);
    this.#spares.push({ path, key, changed });
  }

  /** Removes them all. */
  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

const changedOf = (path: string): bigint => statSync(path, { bigint: true }).mtimeNs;

/** Changes when a name is added to PATH, or removed. */
const keyOf = (searchPath: string, allow: ReadonlyArray<string>): string =>
  JSON.stringify([
    searchPath,
    allow,
    directoriesOf(searchPath).map((path) =>
      String(statSync(path, { bigint: true, throwIfNoEntry: false })?.mtimeNs),
    ),
  ]);
