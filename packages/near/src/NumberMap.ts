import { oneLine } from "./oneLine.ts";

/**
 * A Map whose keys are whole numbers from 0 on, for entries that come and go quickly: those of each launch, of each
 * descriptor.
 *
 * A Map or Set of V8 keeps what was deleted from it. When it grows or shrinks it gets a new table, and the old one refers
 * to it. Once an old table is in the old generation, minor collections find all tables behind it, and so all entries that
 * these had, alive until the next major one: they get ten times as slow.
 */
export class NumberMap<A> {
  readonly #entries: Record<number, A> = {};

  /** The value of a key; undefined if there is no entry. */
  get(key: number): A | undefined {
    return this.#entries[key];
  }

  /** Whether there is an entry. */
  has(key: number): boolean {
    return key in this.#entries;
  }

  /** Adds an entry, or replaces its value. */
  set(key: number, value: A): void {
    this.#entries[key] = value;
  }

  /** Returns whether there was an entry. */
  delete(key: number): boolean {
    if (!(key in this.#entries)) return false;
    delete this.#entries[key];
    return true;
  }

  /** In the order of the keys, as they are now. */
  values(): ReadonlyArray<A> {
    return Object.values(this.#entries);
  }

  /** In the order of the keys, as they are now. */
  [Symbol.iterator](): Iterator<readonly [key: number, value: A]> {
    return Object.entries<A>(this.#entries)
      .map(([key, value]) => [Number(key), value] as const)
      .values();
  }
}

oneLine(NumberMap, (map) => `${map.values().length} entries`);
