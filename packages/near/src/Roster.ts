import { NumberMap } from "./NumberMap.ts";
import { oneLine } from "./oneLine.ts";

/** A Set of members that come and go quickly, in the order in which they came. See {@link NumberMap} for the reason. */
export class Roster<A> {
  readonly #members = new NumberMap<A>();
  #last = 0;
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** Returns the number by which the member is removed. */
  add(member: A): number {
    this.#members.set(++this.#last, member);
    this.#size++;
    return this.#last;
  }

  /** Removes a member by the number that `add` has given. Doing it again does nothing. */
  delete(number: number): void {
    if (this.#members.delete(number)) this.#size--;
  }

  /** The members, as they are now. */
  values(): ReadonlyArray<A> {
    return this.#members.values();
  }
}

oneLine(Roster, ({ size }) => `${size} members`);
