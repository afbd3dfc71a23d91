/** The frames of the multiplexed stream: docs/protocol.md. */
export const FRAME = { DATA: 1, END: 2, CREDIT: 3, CLOSE: 4, OPEN: 5 } as const;

/** The channel, and the type with the size of what follows. Numbers are little-endian. */
export const HEADER_SIZE = 8;

/** Bytes that one frame of DATA has at most. */
export const PAYLOAD_AT_MOST = 65536;

/** Bytes of a channel that each side may send before it gets credit. */
export const WINDOW = 1024 * 1024;

/** Channels that one OPEN opens at most. */
export const CHANNELS_AT_MOST = 32;

/** Bytes of the message of an OPEN: at least one. */
export const MESSAGE_AT_MOST = 4096;

export const putHeader = (
  view: DataView,
  at: number,
  channel: number,
  type: number,
  size: number,
): void => {
  view.setUint32(at, channel, true);
  view.setUint32(at + 4, ((type << 24) | size) >>> 0, true);
};

/** A frame with 32-bit numbers in it, and perhaps a message. */
export const frameOf = (
  channel: number,
  type: number,
  numbers: ReadonlyArray<number> = [],
  message: Uint8Array = new Uint8Array(0),
): Uint8Array => {
  const size = 4 * numbers.length + message.length;
  const bytes = new Uint8Array(HEADER_SIZE + size);
  const view = new DataView(bytes.buffer);
  putHeader(view, 0, channel, type, size);
  for (const [i, number] of numbers.entries()) view.setUint32(HEADER_SIZE + 4 * i, number, true);
  bytes.set(message, HEADER_SIZE + 4 * numbers.length);
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
