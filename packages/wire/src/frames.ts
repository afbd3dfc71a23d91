import { struct, Uint32 } from "@rsyscall/abi";

/*
 * The frames of the multiplexed stream: stub-c/src/mux/frame.h, docs/protocol.md.
 */

/** Types of frames. */
export const FRAME = { DATA: 1, END: 2, CREDIT: 3, CLOSE: 4, OPEN: 5 } as const;

/** The second word of a header is type << TYPE_SHIFT | bytes of the payload, which are SIZE_MASK at most. */
export const TYPE_SHIFT = 24;
export const SIZE_MASK = 0xffffff;

/** `struct header`: each frame begins with it. */
export const FrameHeader = struct("struct header", { channel: Uint32, word: Uint32 });

/** `struct open_payload`: OPEN, before its message. */
export const OpenPayload = struct("struct open_payload", { first: Uint32, count: Uint32 });

/** Bytes of a frame before its payload. */
export const FRAME_HEADER_SIZE = FrameHeader.size;

/** Bytes that one frame of DATA has at most. */
export const PAYLOAD_AT_MOST = 65536;

/** Bytes of a channel that each side may send before it gets credit. */
export const WINDOW = 1024 * 1024;

/** Channels that one OPEN opens at most. */
export const CHANNELS_AT_MOST = 32;

/** Bytes of the message of an OPEN, which has at least one. */
export const MESSAGE_AT_MOST = 4096;

/** Bytes of a frame at most, unless it is DATA. */
export const FRAME_AT_MOST = FRAME_HEADER_SIZE + OpenPayload.size + MESSAGE_AT_MOST;

export const putHeader = (
  view: DataView,
  at: number,
  channel: number,
  type: number,
  size: number,
): void => {
  view.setUint32(at, channel, true);
  view.setUint32(at + FrameHeader.offsets.word, ((type << TYPE_SHIFT) | size) >>> 0, true);
};

/** A frame with 32-bit numbers in it, and perhaps a message. */
export const frameOf = (
  channel: number,
  type: number,
  numbers: ReadonlyArray<number> = [],
  message: Uint8Array = new Uint8Array(0),
): Uint8Array => {
  const size = 4 * numbers.length + message.length;
  const bytes = new Uint8Array(FRAME_HEADER_SIZE + size);
  const view = new DataView(bytes.buffer);
  putHeader(view, 0, channel, type, size);
  for (const [i, number] of numbers.entries())
    view.setUint32(FRAME_HEADER_SIZE + 4 * i, number, true);
  bytes.set(message, FRAME_HEADER_SIZE + 4 * numbers.length);
  return bytes;
};

/** What is wrong with a frame of this type and size when it comes from the far side, if anything is. */
export const whatIsWrong = (type: number, size: number): string | undefined => {
  const fits =
    type === FRAME.DATA
      ? size > 0 && size <= PAYLOAD_AT_MOST
      : type === FRAME.CREDIT
        ? size === 4
        : size === 0 && (type === FRAME.END || type === FRAME.CLOSE);
  return fits ? undefined : `a frame of type ${type} and ${size} bytes`;
};
