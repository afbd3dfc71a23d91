import { arrayOf, BigInt64, struct, Uint32 } from "@rsyscall/abi";

/*
 * Requests and results as bytes: stub-c/include/rsyscall/protocol.h, docs/protocol.md.
 */

/** `struct rsyscall_request`: a system call, or an operation, and its six arguments. */
export const Request = struct("struct rsyscall_request", {
  number: Uint32,
  flags: Uint32,
  args: arrayOf(BigInt64, 6),
});

/** Bytes of a request. */
export const REQUEST_SIZE = Request.size;

/** Bytes of a result. */
export const RESULT_SIZE = 8;

/** A flag: the call always returns immediately, so results that are ready may wait for it. */
export const REQUEST_PROMPT = 1;

/** Numbers from here on are operations of the server, not system calls. */
export const OP_FIRST = 0x7fff0000;
/** Sends memory over a stream socket, all of it: (fd, address, length). */
export const OP_SEND_ALL = 0x7fff0000;
/** Receives memory from a stream socket, all of it: (fd, address, length). */
export const OP_RECV_ALL = 0x7fff0001;
/** clone3(2), (struct clone_args *, struct rsyscall_child *): a child could not return from a system call. */
export const OP_CLONE = 0x7fff0002;
/** memcpy(3) in the task, (to, from, length). */
export const OP_COPY = 0x7fff0003;
/** epoll_wait(2) that does not delay other requests, (epoll fd, maximum of events). */
export const OP_EPOLL_WAIT = 0x7fff0004;

/** The maximum number of events that one OP_EPOLL_WAIT gives, even if it asks for more. */
export const EVENTS_AT_MOST = 64;

/** A 64-bit word of the kernel: a number where that is exact. */
type Word = number | bigint;

/** Writes a word of 64 bits. A number must be a whole one that is exact. */
export const setWord = (view: DataView, at: number, word: Word): void => {
  if (typeof word === "bigint") view.setBigInt64(at, BigInt.asIntN(64, word), true);
  else {
    view.setUint32(at, word, true);
    view.setInt32(at + 4, Math.floor(word / 2 ** 32), true);
  }
};

const FLAGS = Request.offsets.flags;
const ARGS = Request.offsets.args;

/** Writes a request, REQUEST_SIZE bytes. Arguments that are left out are 0. */
export const encodeRequest = (
  view: DataView,
  at: number,
  number: number,
  flags: number,
  words: ReadonlyArray<Word>,
): void => {
  view.setUint32(at, number, true);
  view.setUint32(at + FLAGS, flags, true);
  for (let i = 0; i < 6; i++) setWord(view, at + ARGS + 8 * i, words[i] ?? 0);
};

/** Reads a result, RESULT_SIZE bytes: a bigint only where a number would not be exact. */
export const decodeResult = (view: DataView, at: number): Word => {
  const high = view.getInt32(at + 4, true);
  // Beyond 2^53 a number is not exact.
  return high >= -(2 ** 21) && high < 2 ** 21
    ? high * 2 ** 32 + view.getUint32(at, true)
    : view.getBigInt64(at, true);
};
