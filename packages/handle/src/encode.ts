import { Bytes, type Codec } from "@rsyscall/abi";

/** A value as the bytes that the kernel sees. */
export const encode = <A>(type: Codec<A>, value: A): Uint8Array => {
  // Bytes are bytes already.
  if (type === (Bytes as unknown)) return value as Uint8Array;
  const bytes = new Uint8Array(type.sizeOf(value));
  type.encode(value, bytes);
  return bytes;
};
