const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** In a `u` pattern, the two halves of a pair are one character, and not in this range. */
const loneSurrogate = /[\ud800-\udfff]/u;

/**
 * The bytes that a file name, argument or environment string stands for: UTF-8, and for each lone
 * surrogate U+DC80..U+DCFF the byte 80..FF. Bytes pass as they are. The inverse of
 * {@link fsDecode}; Python calls this encoding `surrogateescape`.
 *
 * @throws RangeError for any other lone surrogate, which stands for nothing.
 */
export const fsEncode = (text: string | Uint8Array): Uint8Array => {
  if (typeof text !== "string") {
    if (!ArrayBuffer.isView(text))
      throw new RangeError(`${String(text)} is neither text nor bytes`);
    return text;
  }
  if (!loneSurrogate.test(text)) return encoder.encode(text);
  const pieces = text.split(/([\ud800-\udfff])/u).map((piece) => {
    if (!loneSurrogate.test(piece)) return encoder.encode(piece);
    const unit = piece.charCodeAt(0);
    if (unit >= 0xdc80 && unit <= 0xdcff) return Uint8Array.of(unit - 0xdc00);
    throw new RangeError(`the lone surrogate U+${unit.toString(16).toUpperCase()} has no bytes`);
  });
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
};

/**
 * Text for any bytes, such that {@link fsEncode} gives the same bytes again: UTF-8, and for each
 * byte 80..FF that is not part of valid UTF-8 a lone surrogate U+DC80..U+DCFF.
 */
export const fsDecode = (bytes: Uint8Array): string => {
  try {
    return decoder.decode(bytes);
  } catch {
    return decodeEscaping(bytes);
  }
};

const decodeEscaping = (bytes: Uint8Array): string => {
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    const start = at;
    for (let length = 1; length > 0 && at < bytes.length; at += length) {
      length = sequenceLength(bytes, at);
    }
    text += decoder.decode(bytes.subarray(start, at));
    while (at < bytes.length && sequenceLength(bytes, at) === 0) {
      text += String.fromCharCode(0xdc00 + (bytes[at++] ?? 0));
    }
  }
  return text;
};

/** The length of the valid UTF-8 sequence at this place; 0 for none (RFC 3629, section 4). */
const sequenceLength = (bytes: Uint8Array, at: number): 0 | 1 | 2 | 3 | 4 => {
  const continues = (offset: number, least = 0x80, most = 0xbf): boolean => {
    const byte = bytes[at + offset];
    return byte !== undefined && byte >= least && byte <= most;
  };
  const lead = bytes[at] ?? 0xff;
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return continues(1) ? 2 : 0;
  if (lead < 0xf0) {
    const second = continues(1, lead === 0xe0 ? 0xa0 : 0x80, lead === 0xed ? 0x9f : 0xbf);
    return second && continues(2) ? 3 : 0;
  }
  if (lead < 0xf5) {
    const second = continues(1, lead === 0xf0 ? 0x90 : 0x80, lead === 0xf4 ? 0x8f : 0xbf);
    return second && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
};

/**
 * The bytes of a C string, without the final NUL; undefined for what cannot be one: with a NUL in it, at
 * which the kernel would stop, or with a surrogate that `fsEncode` does not take.
 */
export const cStringBytes = (text: string | Uint8Array): Uint8Array | undefined => {
  try {
    const bytes = fsEncode(text);
    return bytes.includes(0) ? undefined : bytes;
  } catch {
    return undefined;
  }
};
