import type { Codec } from "../src/Codec.ts";

/** What the codec writes for the value, in exactly as many bytes as it said. */
export const encoded = <A>(codec: Codec<A>, value: A): Uint8Array => {
  const bytes = new Uint8Array(codec.sizeOf(value));
  codec.encode(value, bytes);
  return bytes;
};

/** The value after a journey through memory, where it starts at an odd place in a buffer. */
export const roundTrip = <A>(codec: Codec<A>, value: A): A => {
  const size = codec.sizeOf(value);
  const into = new Uint8Array(size + 5).fill(0xa5).subarray(3, 3 + size);
  codec.encode(value, into);
  return codec.decode(into);
};

/** Numbers that are the same in every run: mulberry32, each from 0 up to `limit`, exclusive. */
export const randomNumbers = (seed: number): ((limit: number) => number) => {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
};
