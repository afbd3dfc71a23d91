import { type NormalizingCodec, Uint16 } from "../Codec.ts";
import { fsDecode, fsEncode } from "../fsencoding.ts";
import { AF } from "./socket.ts";

/** The room for a path in `struct sockaddr_un`, its NUL included; bytes. See unix(7). */
export const SOCKADDR_UN_PATH_MAX = 108;

/** `struct sockaddr_un`: the address of a Unix domain socket. See unix(7). */
export interface SockaddrUn {
  /**
   * The path of a socket in the file system; an abstract address, which starts with a NUL; or
   * nothing, which is no address. Converted by `fsEncode`.
   */
  readonly path: string | Uint8Array;
}

const familySize = 2;

/** The bytes of the address behind its family: a path in the file system gets its NUL. */
const addressOf = ({ path }: SockaddrUn): Uint8Array => {
  const bytes = fsEncode(path);
  const named = bytes.length > 0 && bytes[0] !== 0;
  if (named && bytes.includes(0)) throw new RangeError("a path cannot contain a NUL");
  const address = named ? new Uint8Array(bytes.length + 1) : bytes;
  if (address.length > SOCKADDR_UN_PATH_MAX) {
    const length = `${address.length} bytes are too long for`;
    throw new RangeError(`${length} struct sockaddr_un, which has room for 108`);
  }
  if (named) address.set(bytes);
  return address;
};

/** See {@link SockaddrUn}; as long as the address, which is what bind(2) is to be told. */
export const SockaddrUn: NormalizingCodec<SockaddrUn, { readonly path: string }> = {
  name: "struct sockaddr_un",
  size: undefined,
  alignment: Uint16.alignment,
  sizeOf: (value) => familySize + addressOf(value).length,
  encode: (value, into) => {
    Uint16.encode(AF.UNIX, into);
    into.set(addressOf(value), familySize);
  },
  decode: (bytes) => {
    if (bytes.length < familySize) return { path: "" };
    const family = Uint16.decode(bytes);
    if (family !== AF.UNIX) throw new RangeError(`address family ${family} is not AF_UNIX`);
    const address = bytes.subarray(familySize);
    const end = address.indexOf(0);
    return { path: fsDecode(end > 0 ? address.subarray(0, end) : address) };
  },
};
