import { Errno } from "@rsyscall/abi";
import { isError } from "@rsyscall/near";
import { FRAME, FRAME_HEADER_SIZE, frameOf, PAYLOAD_AT_MOST, putHeader } from "@rsyscall/wire";
import type { SocketCalls } from "./SocketCalls.ts";

/** Bytes of the buffer: a few turns of channels, and what is to be said besides. */
export const OUTPUT_SIZE = 4 * (FRAME_HEADER_SIZE + PAYLOAD_AT_MOST) + 16 * 1024;

/** What goes out on the stream: frames without data first, and data as far as there is room. */
export class Output {
  readonly #calls: SocketCalls;
  readonly #fd: number;
  /** Frames without data that are not in the buffer yet. */
  #frames: Array<Uint8Array> = [];
  /** What is to be sent of the buffer, which begins at offset 0 of the memory. */
  #start = 0;
  #end = 0;
  #error = 0;
  #total = 0;

  constructor(calls: SocketCalls, fd: number) {
    this.#calls = calls;
    this.#fd = fd;
  }

  /** Why nothing goes out any more: `-errno`, or 0. */
  get error(): number {
    return this.#error;
  }

  /** Bytes that have gone out so far. */
  get total(): number {
    return this.#total;
  }

  /** Whether there is nothing to be sent. */
  get isEmpty(): boolean {
    return this.#end === 0 && this.#frames.length === 0;
  }

  /** Puts a frame without data behind those that wait. */
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

  /** Offset where the bytes of the next frame of data belong. */
  get dataAt(): number {
    return this.#end + FRAME_HEADER_SIZE;
  }

  /** So many bytes are at `dataAt`: they are a frame. */
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

  /** Sends what is in the buffer. Whether all of it went out: if not, see `error`. */
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
