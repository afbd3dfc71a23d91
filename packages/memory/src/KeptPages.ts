import type { Address } from "@rsyscall/near";

/** Bytes that are kept at most. */
const AT_MOST = 4 * 1024 * 1024;

/** Milliseconds without a use after which nothing is kept any more. */
const IDLE = 100;

/** Pages that are free, and were not given back to the kernel: the next use of as many costs no page faults. */
export class KeptPages {
  readonly #ranges: Array<{ readonly address: Address; readonly length: number }> = [];
  readonly #onIdle: () => void;
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param onIdle is to take all */
  constructor(onIdle: () => void) {
    this.#onIdle = onIdle;
  }

  /** Pages of just this length, if some are kept: those that were used last. */
  take(length: number): Address | undefined {
    const at = this.#ranges.findLastIndex((range) => range.length === length);
    if (at < 0) return undefined;
    this.#bytes -= length;
    return this.#ranges.splice(at, 1)[0]?.address;
  }

  /** Keeps pages. Gives those that are not kept any more. */
  keep(address: Address, length: number): ReadonlyArray<readonly [Address, number]> {
    this.#ranges.push({ address, length });
    this.#bytes += length;
    if (this.#timer === undefined) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#onIdle();
      }, IDLE);
      this.#timer.unref();
    } else this.#timer.refresh();
    return this.#takeDownTo(AT_MOST);
  }

  /** Takes all pages, so that none is kept. */
  takeAll(): ReadonlyArray<readonly [Address, number]> {
    return this.#takeDownTo(0);
  }

  /** Takes those that were used first, until so many bytes are left. */
  #takeDownTo(bytes: number): ReadonlyArray<readonly [Address, number]> {
    const taken: Array<readonly [Address, number]> = [];
    while (this.#bytes > bytes) {
      const range = this.#ranges.shift();
      if (range === undefined) break;
      this.#bytes -= range.length;
      taken.push([range.address, range.length]);
    }
    return taken;
  }
}
