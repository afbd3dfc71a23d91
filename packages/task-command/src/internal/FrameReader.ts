import { FRAME, FRAME_HEADER_SIZE, SIZE_MASK, TYPE_SHIFT, whatIsWrong } from "@rsyscall/wire";
import type { SocketCalls } from "./SocketCalls.ts";

/** Bytes of the buffer. A socket has room for so much, mostly: then nothing has to wait for it in memory. */
export const INPUT_SIZE = 128 * 1024;

/** What is done with frames. */
export interface FrameHandler {
  /** A frame of DATA begins. */
  readonly beginData: (channel: number, size: number) => void;
  /** Bytes of that frame, at an offset in the memory. */
  readonly takeData: (at: number, length: number) => void;
  /** Another frame; `credit` is the number in a frame of CREDIT. */
  readonly takeFrame: (channel: number, type: number, credit: number) => void;
  /** The far side does not keep to the protocol. */
  readonly broken: (why: string) => void;
  /** Whether no more frames are taken. */
  readonly hasEnded: boolean;
}

/** Takes the bytes of the stream apart into frames. */
export class FrameReader {
  readonly #calls: SocketCalls;
  readonly #fd: number;
  /** Offset of the buffer in the memory. */
  readonly #start: number;
  readonly #handler: FrameHandler;
  /** Bytes of a frame that has not come whole. */
  #carried = 0;
  /** Bytes that are missing of a frame of DATA. */
  #dataLeft = 0;
  #total = 0;

  constructor(calls: SocketCalls, fd: number, start: number, handler: FrameHandler) {
    this.#calls = calls;
    this.#fd = fd;
    this.#start = start;
    this.#handler = handler;
  }

  /** Bytes that have come so far. */
  get total(): number {
    return this.#total;
  }

  /** Whether a part of a frame has come, and the rest has not. */
  get isInFrame(): boolean {
    return this.#carried > 0 || this.#dataLeft > 0;
  }

  /** Reads once, and hands on what has come: how many bytes, 0 at the end, or `-errno`. */
  read(): number {
    const at = this.#start + this.#carried;
    const got = this.#calls.receive(this.#fd, at, INPUT_SIZE - this.#carried);
    if (got > 0) {
      this.#total += got;
      this.#take(at + got);
    }
    return got;
  }

  /** Hands on the frames that have come whole, and of DATA what has come. */
  #take(end: number): void {
    const handler = this.#handler;
    const { view } = this.#calls;
    let at = this.#start;
    while (!handler.hasEnded) {
      if (this.#dataLeft > 0) {
        const part = Math.min(this.#dataLeft, end - at);
        if (part === 0) break;
        handler.takeData(at, part);
        this.#dataLeft -= part;
        at += part;
        continue;
      }
      if (end - at < FRAME_HEADER_SIZE) break;
      const channel = view.getUint32(at, true);
      const word = view.getUint32(at + 4, true);
      const type = word >>> TYPE_SHIFT;
      const size = word & SIZE_MASK;
      const wrong = whatIsWrong(type, size);
      if (wrong !== undefined) {
        handler.broken(wrong);
        return;
      }
      if (type === FRAME.DATA) {
        at += FRAME_HEADER_SIZE;
        this.#dataLeft = size;
        handler.beginData(channel, size);
        continue;
      }
      if (end - at < FRAME_HEADER_SIZE + size) break;
      const credit = type === FRAME.CREDIT ? view.getUint32(at + FRAME_HEADER_SIZE, true) : 0;
      handler.takeFrame(channel, type, credit);
      at += FRAME_HEADER_SIZE + size;
    }
    if (handler.hasEnded) return;
    this.#calls.bytes.copyWithin(this.#start, at, end);
    this.#carried = end - at;
  }
}
