import { RING_SIZE, type Word } from "@rsyscall/near";

/*
 * struct rsyscall_ring of stub-c/include/rsyscall/ring.h, as an array of 32-bit words.
 */

/** Calls that fit in at a time. */
export const RING_SLOTS = 63;

/** Calls are numbered from 0 to this, and then from 0 again: whole rounds. */
const CALLS = RING_SLOTS * 2 ** 24;

/** The number of the call after one. */
export const nextCall = (call: number): number => (call + 1 === CALLS ? 0 : call + 1);

const SLOT_PROMPT = 0x8000_0000;

const SERVER_SLEEPS = 0;
const CLIENT_SLEEPS = 1;
const SERVER_CPU = 2;
const CLIENT_CPU = 3;

/** Bytes of the header that nobody uses, and where they begin. */
export const SPARE_OFFSET = 16;
export const SPARE_SIZE = 48;

/** Words of the header, and of a slot. */
const WORDS = 16;
const NUMBER = 1;
const ARGS = 2;
const RESULT = 14;

/**
 * The client's end of a ring. Nothing that the server may have written is trusted: calls are counted
 * here, and a result is whatever it says.
 */
export class Ring {
  readonly #words: Int32Array;
  readonly #longs: BigInt64Array;

  constructor(memory: ArrayBuffer) {
    this.#words = new Int32Array(memory, 0, RING_SIZE / 4);
    this.#longs = new BigInt64Array(memory, 0, RING_SIZE / 8);
  }

  /** Puts a call into its slot, which must be free. */
  put(
    call: number,
    number: number,
    isPrompt: boolean,
    a: Word,
    b: Word,
    c: Word,
    d: Word,
    e: Word,
    f: Word,
  ): void {
    const slot = slotOf(call);
    const words = this.#words;
    words[slot + NUMBER] = isPrompt ? number | SLOT_PROMPT : number;
    this.#setWord(slot + ARGS, a);
    this.#setWord(slot + ARGS + 2, b);
    this.#setWord(slot + ARGS + 4, c);
    this.#setWord(slot + ARGS + 6, d);
    this.#setWord(slot + ARGS + 8, e);
    this.#setWord(slot + ARGS + 10, f);
    Atomics.store(words, slot, 2 * call + 1);
  }

  #setWord(at: number, word: Word): void {
    const words = this.#words;
    if (typeof word === "bigint") this.#longs[at >> 1] = word;
    else {
      const low = word | 0;
      words[at] = low;
      words[at + 1] = low === word ? low >> 31 : Math.floor(word / 2 ** 32);
    }
  }

  /** Whether a call has its result. */
  isDone(call: number): boolean {
    return Atomics.load(this.#words, slotOf(call)) === 2 * call + 2;
  }

  result(call: number): Word {
    const at = slotOf(call) + RESULT;
    const low = this.#words[at] as number;
    const high = this.#words[at + 1] as number;
    if (high === low >> 31) return low;
    // Beyond 2^53 a number would lie.
    return high >= -(2 ** 21) && high < 2 ** 21
      ? high * 2 ** 32 + (low >>> 0)
      : (this.#longs[at >> 1] as bigint);
  }

  /** Whether the server sleeps, and nobody has woken it yet: then the caller must do it. */
  takeServerSleep(): boolean {
    return (
      Atomics.load(this.#words, SERVER_SLEEPS) !== 0 &&
      Atomics.exchange(this.#words, SERVER_SLEEPS, 0) !== 0
    );
  }

  /** From now on the server wakes us at the next result. */
  sleep(): void {
    Atomics.store(this.#words, CLIENT_SLEEPS, 1);
  }

  /** The server need not wake us. */
  wake(): void {
    Atomics.store(this.#words, CLIENT_SLEEPS, 0);
  }

  /** The only CPU in a mask of so many bytes where nobody's words are; -1 if there are several. */
  onlyCpu(size: number): number {
    let only = -1;
    for (let i = 0; i < size / 4; i++) {
      const word = this.#words[SPARE_OFFSET / 4 + i] as number;
      if (word === 0) continue;
      if (only >= 0 || (word & (word - 1)) !== 0) return -1;
      only = 32 * i + 31 - Math.clz32(word);
    }
    return only;
  }

  /** Says on which CPU alone we run; -1: there are several. */
  set clientCpu(cpu: number) {
    Atomics.store(this.#words, CLIENT_CPU, cpu);
  }

  /** Whether we and the server can run at the same time. */
  isOnOtherCpu(clientCpu: number): boolean {
    return clientCpu < 0 || Atomics.load(this.#words, SERVER_CPU) !== clientCpu;
  }
}

const slotOf = (call: number): number => WORDS + (call % RING_SLOTS) * WORDS;
