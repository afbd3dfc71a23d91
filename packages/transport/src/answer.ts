import { encode } from "@rsyscall/handle";
import {
  EXEC,
  EXEC_SIZE_AT_MOST,
  Exec,
  OWN_ENVIRONMENT,
  PART,
  PART_SIZE_AT_MOST,
  Part,
  REPLY,
  Welcome,
} from "@rsyscall/wire";
import { welcome } from "./welcome.ts";

/*
 * Welcomes by which a process ends alone, without a Thread: docs/protocol.md, "Answers".
 */

/** Bytes for a standard descriptor of the process. */
export interface Output {
  /** stdout (1) or stderr (2). */
  readonly fd: 1 | 2;
  /** What is written. */
  readonly bytes: Uint8Array;
}

/** How the process ends. */
export type End = { readonly status: number } | { readonly signal: number };

/** A program for execve(2). */
export interface Program {
  /** The path of the file, without NUL. */
  readonly path: Uint8Array;
  /** Arguments, argv[0] first, without NUL. */
  readonly argv: ReadonlyArray<Uint8Array>;
  /** Undefined: the environment that the process has. */
  readonly envp: ReadonlyArray<Uint8Array> | undefined;
}

const replyHeader = welcome(REPLY);

const ofEnd = (end: End): readonly [kind: number, value: number] =>
  "signal" in end ? [PART.SIGNAL, end.signal] : [PART.EXIT, end.status];

/** A reply of at most this many bytes is put together in one piece. */
const ONE_PIECE = 64 * 1024;

/** Encodes a reply, in pieces that are to be sent one after the other. Large output is not copied. */
export const encodeReply = (output: ReadonlyArray<Output>, end: End): ReadonlyArray<Uint8Array> => {
  const parts = output.flatMap(({ fd, bytes }) => {
    const pieces: Array<Output> = [];
    for (let at = 0; at < bytes.length; at += PART_SIZE_AT_MOST)
      pieces.push({ fd, bytes: bytes.subarray(at, at + PART_SIZE_AT_MOST) });
    return pieces;
  });
  const size = parts.reduce((sum, { bytes }) => sum + Part.size + bytes.length, Part.size);
  const isSmall = size <= ONE_PIECE;
  const block = new Uint8Array(
    replyHeader.length + (isSmall ? size : (parts.length + 1) * Part.size),
  );
  const view = new DataView(block.buffer);
  block.set(replyHeader);
  let at = replyHeader.length;
  const header = (kind: number, value: number) => {
    view.setUint32(at + Part.offsets.kind, kind, true);
    view.setUint32(at + Part.offsets.value, value, true);
    at += Part.size;
  };
  const pieces: Array<Uint8Array> = [];
  let from = 0;
  for (const { fd, bytes } of parts) {
    header(fd, bytes.length);
    if (isSmall) {
      block.set(bytes, at);
      at += bytes.length;
    } else {
      pieces.push(block.subarray(from, at), bytes);
      from = at;
    }
  }
  header(...ofEnd(end));
  return [...pieces, block.subarray(from, at)];
};

const sizeOf = (strings: ReadonlyArray<Uint8Array>): number =>
  strings.reduce((sum, { length }) => sum + length + 1, 0);

/** Encodes an exec; undefined if it has more bytes than a process takes. Strings have no NUL in them. */
export const encodeExec = ({ path, argv, envp }: Program): Uint8Array | undefined => {
  const [argvSize, envpSize] = [sizeOf(argv), sizeOf(envp ?? [])];
  const size = Exec.size + path.length + 1 + argvSize + envpSize;
  if (size > EXEC_SIZE_AT_MOST) return undefined;
  const header = encode(Exec, {
    pathSize: path.length + 1,
    argc: argv.length,
    envc: envp?.length ?? 0,
    flags: envp === undefined ? OWN_ENVIRONMENT : 0,
    argvSize: BigInt(argvSize),
    envpSize: BigInt(envpSize),
  });
  const block = new Uint8Array(Welcome.size + size);
  block.set(welcome(EXEC, { messageSize: size }));
  block.set(header, Welcome.size);
  let at = Welcome.size + Exec.size;
  for (const string of [path, ...argv, ...(envp ?? [])]) {
    block.set(string, at);
    at += string.length + 1;
  }
  return block;
};
