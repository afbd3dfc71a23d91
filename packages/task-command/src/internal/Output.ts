import { Errno } from "@rsyscall/abi";
import { isError } from "@rsyscall/near";
import { FRAME, FRAME_HEADER_SIZE, frameOf, PAYLOAD_AT_MOST, putHeader } from "@rsyscall/wire";
import type { SocketCalls } from "./SocketCalls.ts";

/** The size of the buffer: a few turns of channels, and frames without data. */
export const OUTPUT_SIZE = 4 * (FRAME_HEADER_SIZE + PAYLOAD_AT_MOST) + 16 * 1024;

/** The output of the stream: frames without data first, and data as far as there is room. */
export class Output {
  readonly #calls: SocketCalls;
  readonly #fd: number;
  /** Frames without data that are not in the buffer yet. */
  #frames: Array<Uint8Array> = [];
  /** The start of the unsent bytes in the buffer, which begins at offset 0 of the memory. */
  #start = 0;
  #end = 0;
  #error = 0;
  #total = 0;

  constructor(calls: SocketCalls, fd: number) {
    this.#calls = calls;
    this.#fd = fd;
  }

  /** The error after which nothing is sent: `-errno`, or 0. */
  get error(): number {
    return this.#error;
  }

  /** The number of bytes that were sent so far. */
  get total(): number {
    return this.#total;
  }

  /** Whether there is nothing to send. */
  get isEmpty(): boolean {
    return this.#end === 0 && this.#frames.length === 0;
  }

  /** Queues a frame without data. */
  say(
    channel: number,
    type: number,
    numbers: ReadonlyArray<number> = [],
    message?: Uint8Array,
  ): void {
    this.#frames.push(frameOf(channel, type, numbers, message));
  }

  /** Whether a channel may put a frame of data into the buffer. */
  get takesData(): boolean {
    return this.#frames.length === 0 && this.#hasRoom(PAYLOAD_AT_MOST);
  }

  /** The offset for the bytes of the next frame of data. */
  get dataAt(): number {
    return this.#end + FRAME_HEADER_SIZE;
  }

  /** Adds a frame of the `size` bytes at `dataAt`. */
  addData(channel: number, size: number): void {
    putHeader(this.#calls.view, this.#end, channel, FRAME.DATA, size);
    this.#end += FRAME_HEADER_SIZE + size;
  }

  /** Moves the frames without data into the buffer, as far as there is room. */
  fill(): void {
    let count = 0;
    for (const frame of this.#frames) {
      if (!this.#hasRoom(frame.length)) break;
      this.#calls.bytes.set(frame, this.#end);
      this.#end += frame.length;
      count++;
    }
    this.#frames.splice(0, count);
  }

  #hasRoom(size: number): boolean {
    // An END or a CLOSE may have to follow.
    return this.#end + 2 * FRAME_HEADER_SIZE + size <= OUTPUT_SIZE;
  }

  /** Sends the buffer. Returns whether all of it was sent; if not, see `error`. */
  flush(): boolean {
    while (this.#start < this.#end) {
      const sent = this.#calls.send(this.#fd, this.#start, this.#end - this.#start);
      if (isError(sent)) {
        if (sent !== -Errno.EAGAIN) this.#error = sent;
        return false;
      }
      this.#start += sent;
      this.#total += sent;
    }
    this.#start = this.#end = 0;
    return true;
  }

  /** Forgets the frames that are not in the buffer yet. */
  clear(): void {
    this.#frames = [];
  }
}
