import {
  type Abi,
  Cmsghdr,
  type Codec,
  cmsgAlign,
  Iovec,
  Mmsghdr,
  MSG,
  Msghdr,
  SCM,
  SOL,
  Uint32,
} from "@rsyscall/abi";
import { enumFormat, flagsFormat } from "../Format.ts";
import type { CodecOf, Content, Count } from "../Memory.ts";
import type { Word } from "../SyscallInterface.ts";
import { quoted } from "./quoted.ts";
import type { Bytes } from "./SeenMemory.ts";
import { array, ELEMENTS, shownRevents, shownSockaddr, shownValue } from "./shownValue.ts";
import { formatted, address as shownAddress } from "./shownWord.ts";
import { shownAs, withoutEnd } from "./special.ts";

/** The information that is needed to show the memory to which an argument points. */
export interface Surroundings {
  readonly abi: Abi;
  readonly words: ReadonlyArray<Word>;
  /** Gives the known bytes at an address: at least one, or undefined. */
  readonly at: (address: number) => Bytes | undefined;
  /** The name of the call. */
  readonly name: string;
  /** The result, if the call has succeeded. */
  readonly result?: number | undefined;
  /** The index of the argument that limits the result; undefined if the result is not a count. */
  readonly counted?: number | undefined;
}

/** The maximum length of a path. */
const PATH_MAX = 4096;

const codecOf = (codec: CodecOf, abi: Abi): Codec<unknown> =>
  typeof codec === "function" ? codec(abi) : codec;

/** Returns a count that a call names, which may be any number. Undefined if it is not known. */
const countOf = (
  count: Count | { readonly exactly: number },
  { words, at, result, counted }: Surroundings,
): number | undefined => {
  if (typeof count === "object") {
    if ("exactly" in count) return count.exactly;
    const bytes = at(Number(words[count.at]));
    return bytes === undefined || bytes.length < 4 ? undefined : Uint32.decode(bytes);
  }
  const most = Number(words[count]);
  return count === counted && result !== undefined ? Math.min(most, result) : most;
};

/** Returns the maximum number of bytes that the kernel may write; 0 if the layout is unknown. */
export const sizeOf = (content: Content, surroundings: Surroundings): number => {
  switch (content.is) {
    case "bytes":
      return countOf(content.length, surroundings) ?? 1;
    case "sockaddr":
      return 1;
    case "value": {
      const { size } = codecOf(content.codec, surroundings.abi);
      if (size !== undefined) return size;
      return content.length === undefined ? 1 : (countOf(content.length, surroundings) ?? 1);
    }
    case "array": {
      const { size = 1 } = codecOf(content.codec, surroundings.abi);
      return size * (countOf(content.count, surroundings) ?? 1);
    }
    case "path":
    case "string":
      return 1;
    default:
      return 0;
  }
};

/** Returns a string up to its NUL; if its end is not known, the known part. */
const untilNul = (bytes: Bytes): { readonly string: Bytes; readonly isCut: boolean } => {
  const end = bytes.indexOf(0);
  return { string: end < 0 ? bytes : bytes.subarray(0, end), isCut: end < 0 };
};

const shownString = (address: number, limit: number | undefined, { at }: Surroundings) => {
  const bytes = at(address);
  if (bytes === undefined) return undefined;
  const { string, isCut } = untilNul(bytes);
  return quoted(string, limit, isCut);
};

const word = (bytes: Bytes, offset: number): number =>
  Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(offset, true));

/** Returns an array of addresses of strings, up to NULL; undefined if its end is not known. */
const pointers = (address: number, { at }: Surroundings): ReadonlyArray<number> | undefined => {
  const bytes = at(address);
  if (bytes === undefined) return undefined;
  const found: Array<number> = [];
  for (let offset = 0; offset + 8 <= bytes.length; offset += 8) {
    const pointer = word(bytes, offset);
    if (pointer === 0) return found;
    found.push(pointer);
  }
  return undefined;
};

const shownStrings = (address: number, surroundings: Surroundings): string | undefined => {
  const all = pointers(address, surroundings);
  if (all === undefined) return undefined;
  const shown = all
    .slice(0, ELEMENTS)
    .map((pointer) => shownString(pointer, undefined, surroundings) ?? shownAddress(pointer));
  return array(shown, all.length);
};

/** Formats the environment of a program: only its size, as in strace(1), because it may contain secrets. */
export const shownEnvironment = (address: number, surroundings: Surroundings): string => {
  const count = pointers(address, surroundings)?.length;
  const remark = count === undefined ? "" : ` /* ${count} var${count === 1 ? "" : "s"} */`;
  return `${shownAddress(address)}${remark}`;
};

/** @param known the known part of the bytes */
const shownBytes = (known: Bytes, length: number): string =>
  quoted(known.subarray(0, length), undefined, length > known.length);

const levels = enumFormat("SOL_", SOL);
const types = enumFormat("SCM_", SCM);
const messageFlags = flagsFormat("MSG_", MSG);

/** Formats control messages; undefined if the bytes are not control messages. */
const shownControl = (bytes: Bytes): string | undefined => {
  const messages: Array<string> = [];
  for (let at = 0; at + Cmsghdr.size <= bytes.length; ) {
    const { length, level, type } = Cmsghdr.decode(bytes.subarray(at));
    if (length < Cmsghdr.size || at + length > bytes.length) break;
    const data = bytes.subarray(at + cmsgAlign(Cmsghdr.size), at + length);
    const isFds = level === SOL.SOCKET && type === SCM.RIGHTS;
    const numbers = Array.from({ length: data.length >> 2 }, (_, i) =>
      new DataView(data.buffer, data.byteOffset + 4 * i, 4).getInt32(0, true),
    );
    messages.push(
      `{cmsg_len=${length}, cmsg_level=${formatted(levels, level)}, cmsg_type=${
        level === SOL.SOCKET ? formatted(types, type) : formatted({ as: "hex" }, type)
      }, cmsg_data=${isFds ? array(numbers.map(String), numbers.length) : quoted(data)}}`,
    );
    at += cmsgAlign(length);
  }
  return messages.length === 0 ? undefined : array(messages, messages.length);
};

/** @param received the number of bytes of data, if the message was received */
const shownMessage = (bytes: Bytes, { at }: Surroundings, received: number | undefined): string => {
  const { name, nameLength, iov, iovLength, control, controlLength, flags } = Msghdr.decode(bytes);
  const nameBytes = at(name)?.subarray(0, nameLength);
  const shownName =
    nameBytes !== undefined && nameBytes.length === nameLength && nameLength > 0
      ? shownSockaddr(nameBytes)
      : shownAddress(name);
  const vectors = at(iov);
  let left = received ?? Number.POSITIVE_INFINITY;
  const shownVectors =
    vectors === undefined
      ? shownAddress(iov)
      : array(
          Array.from(
            { length: Math.min(iovLength, ELEMENTS, Math.floor(vectors.length / Iovec.size)) },
            (_, i) => {
              const { base, length } = Iovec.decode(vectors.subarray(i * Iovec.size));
              const here = Math.min(left, length);
              left -= here;
              const known = at(base);
              const shown = here === 0 ? '""' : known && shownBytes(known, here);
              return `{iov_base=${shown ?? shownAddress(base)}, iov_len=${length}}`;
            },
          ),
          iovLength,
        );
  const controlBytes = at(control)?.subarray(0, controlLength);
  const isControlKnown = controlBytes !== undefined && controlBytes.length === controlLength;
  const shownControls = (isControlKnown && shownControl(controlBytes)) || shownAddress(control);
  return `{msg_name=${shownName}, msg_namelen=${nameLength}, msg_iov=${shownVectors}, msg_iovlen=${iovLength}, ${
    controlLength > 0 || control !== 0 ? `msg_control=${shownControls}, ` : ""
  }msg_controllen=${controlLength}, msg_flags=${formatted(messageFlags, flags)}}`;
};

/** Formats one of several messages, whose length is known when the call has been made. */
const shownMmsghdr = (bytes: Bytes, surroundings: Surroundings): string => {
  const { length } = Mmsghdr.decode(bytes);
  const received = surroundings.name === "recvmmsg" ? length : undefined;
  return `{msg_hdr=${shownMessage(bytes, surroundings, received)}, msg_len=${length}}`;
};

/** Formats a value to which an argument points: a number is put in brackets. */
const pointed = (type: string, value: unknown): string => {
  const shown = shownValue(type, value);
  return typeof value === "number" || typeof value === "bigint" ? `[${shown}]` : shown;
};

/**
 * Formats the memory at an address as strace(1) does; undefined if it is not known, or not a value of its type.
 */
export const shownMemory = (
  content: Content,
  address: number,
  surroundings: Surroundings,
): string | undefined => {
  try {
    return shown(content, address, surroundings);
  } catch {
    // The task, or the program, has written bytes that are not a value of the type.
    return undefined;
  }
};

const shown = (
  content: Content,
  address: number,
  surroundings: Surroundings,
): string | undefined => {
  const { abi, at, result } = surroundings;
  switch (content.is) {
    case "path":
      return shownString(address, PATH_MAX, surroundings);
    case "string":
      return shownString(address, undefined, surroundings);
    case "strings":
      return shownStrings(address, surroundings);
    case "bytes": {
      const length = countOf(content.length, surroundings);
      if (length === 0) return '""';
      const known = at(address);
      if (length === undefined || known === undefined) return undefined;
      const all = known.subarray(0, length);
      if (all.length < length) return shownBytes(all, length);
      return shownAs(surroundings.name, all) ?? quoted(withoutEnd(surroundings.name, all));
    }
    case "sockaddr": {
      const length = countOf(content.length, surroundings);
      const known = at(address);
      if (length === undefined || known === undefined || known.length < Math.min(length, 128))
        return undefined;
      return shownSockaddr(known.subarray(0, length));
    }
    case "value": {
      const codec = codecOf(content.codec, abi);
      const length =
        content.length === undefined ? undefined : countOf(content.length, surroundings);
      const known = at(address);
      const size = codec.size ?? length;
      if (known === undefined || size === undefined || known.length < size) return undefined;
      const bytes = known.subarray(0, length === undefined ? size : Math.max(length, size));
      return codec.name === Msghdr.name
        ? shownMessage(bytes, surroundings, result)
        : pointed(codec.name, codec.decode(bytes));
    }
    case "array": {
      const codec = codecOf(content.codec, abi);
      const { size } = codec;
      const count = countOf(content.count, surroundings);
      if (count === 0) return "[]";
      const known = at(address);
      if (size === undefined || count === undefined || known === undefined) return undefined;
      const wanted = Math.min(count, ELEMENTS);
      if (known.length < wanted * size) return undefined;
      const elements = Array.from({ length: wanted }, (_, i) => {
        const bytes = known.subarray(i * size, (i + 1) * size);
        return codec.name === Mmsghdr.name
          ? shownMmsghdr(bytes, surroundings)
          : shownValue(codec.name, codec.decode(bytes));
      });
      return array(elements, count);
    }
    default:
      return undefined;
  }
};

/** Formats the events of poll(2), which strace(1) shows after the result; undefined if they are not known. */
export const shownEvents = (
  content: Content,
  address: number,
  surroundings: Surroundings,
): string | undefined => {
  if (content.is !== "array") return undefined;
  const codec = codecOf(content.codec, surroundings.abi);
  if (codec.name !== "struct pollfd" || codec.size === undefined) return undefined;
  const known = surroundings.at(address);
  const count = countOf(content.count, surroundings);
  if (known === undefined || count === undefined) return undefined;
  const found: Array<string> = [];
  for (let i = 0; i < Math.min(count, ELEMENTS) && (i + 1) * codec.size <= known.length; i++) {
    const { fd, revents } = codec.decode(known.subarray(i * codec.size)) as {
      readonly fd: number;
      readonly revents: number;
    };
    if (revents !== 0) found.push(shownRevents(fd, revents));
  }
  return found.length === 0 ? undefined : array(found, found.length);
};
