/** Makes pseudo-random bytes, the same for the same seed (xorshift). */
export const pattern = (length: number, seed = 1): Uint8Array => {
  const words = new Uint32Array(Math.ceil(length / 4));
  let word = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 1;
  for (let i = 0; i < words.length; i++) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    words[i] = word;
  }
  return new Uint8Array(words.buffer, 0, length);
};

/** Encodes a number as eight bytes, little endian. */
export const word = (value: number): Uint8Array =>
  new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);

export const utf8 = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
