import { struct, Uint32 } from "@rsyscall/abi";

/*
 * The frames of the multiplexed stream: stub-c/src/mux/frame.h, docs/protocol.md.
 */

/** Types of frames. */
export const FRAME = { DATA: 1, END: 2, CREDIT: 3, CLOSE: 4, OPEN: 5 } as const;

/** The second word of a header is type << TYPE_SHIFT | bytes of the payload, which are SIZE_MASK at most. */
export const TYPE_SHIFT = 24;
/** The bits of the second word that are the size. */
export const SIZE_MASK = 0xffffff;

/** `struct header`: each frame begins with it. */
export const FrameHeader = struct("struct header", { channel: Uint32, word: Uint32 });

/** `struct open_payload`: OPEN, before its message. */
export const OpenPayload = struct("struct open_payload", { first: Uint32, count: Uint32 });

/** Bytes of a frame before its payload. */
export const FRAME_HEADER_SIZE = FrameHeader.size;

/** The maximum number of bytes of a DATA frame. */
export const PAYLOAD_AT_MOST = 65536;

/**
 * Bytes of a channel that each side may send before it gets credit. A link holds as many as its rate times its delay:
 * over ssh 2 MiB at most, which is the window of its own channel.
 */
export const WINDOW = 4 * 1024 * 1024;

/** The maximum number of channels of one OPEN. */
export const CHANNELS_AT_MOST = 32;

/** The maximum number of bytes of the message of an OPEN; the minimum is 1. */
export const MESSAGE_AT_MOST = 4096;

/** The maximum number of bytes of a frame that is not DATA. */
export const FRAME_AT_MOST = FRAME_HEADER_SIZE + OpenPayload.size + MESSAGE_AT_MOST;

/** Writes the header of a frame at an offset of a buffer. */
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

/** Makes a frame of 32-bit numbers, and perhaps a message. */
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

/** Says what is wrong with a frame of this type and size from the far side; undefined if nothing is. */
export const whatIsWrong = (type: number, size: number): string | undefined => {
  const fits =
    type === FRAME.DATA
      ? size > 0 && size <= PAYLOAD_AT_MOST
      : type === FRAME.CREDIT
        ? size === 4
        : size === 0 && (type === FRAME.END || type === FRAME.CLOSE);
  return fits ? undefined : `a frame of type ${type} and ${size} bytes`;
};
