import { FRAME, FRAME_HEADER_SIZE, SIZE_MASK, TYPE_SHIFT, whatIsWrong } from "@rsyscall/wire";
import type { SocketCalls } from "./SocketCalls.ts";

/** The size of the buffer. A socket mostly has room for as much, so that bytes rarely wait in memory. */
export const INPUT_SIZE = 128 * 1024;

/** The handler of frames. */
export interface FrameHandler {
  /** Called at the beginning of a DATA frame. */
  readonly beginData: (channel: number, size: number) => void;
  /** Called with bytes of that frame, at an offset in the memory. */
  readonly takeData: (at: number, length: number) => void;
  /** Called for another frame; `credit` is the number in a CREDIT frame. */
  readonly takeFrame: (channel: number, type: number, credit: number) => void;
  /** Called if the far side violates the protocol. */
  readonly broken: (why: string) => void;
  /** Whether the handler takes no more frames. */
  readonly hasEnded: boolean;
}

/** Splits the bytes of the stream into frames. */
export class FrameReader {
  readonly #calls: SocketCalls;
  readonly #fd: number;
  /** Offset of the buffer in the memory. */
  readonly #start: number;
  readonly #handler: FrameHandler;
  /** The number of bytes of an incomplete frame. */
  #carried = 0;
  /** The number of missing bytes of a DATA frame. */
  #dataLeft = 0;
  #total = 0;

  constructor(calls: SocketCalls, fd: number, start: number, handler: FrameHandler) {
    this.#calls = calls;
    this.#fd = fd;
    this.#start = start;
    this.#handler = handler;
  }

  /** The number of bytes so far. */
  get total(): number {
    return this.#total;
  }

  /** Whether the last frame is incomplete. */
  get isInFrame(): boolean {
    return this.#carried > 0 || this.#dataLeft > 0;
  }

  /** Reads once and dispatches the frames. Returns the number of bytes, 0 at the end, or `-errno`. */
  read(): number {
    const at = this.#start + this.#carried;
    const got = this.#calls.receive(this.#fd, at, INPUT_SIZE - this.#carried);
    if (got > 0) {
      this.#total += got;
      this.#take(at + got);
    }
    return got;
  }

  /** Dispatches complete frames, and the available part of a DATA frame. */
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
