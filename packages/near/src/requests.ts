import type { Word } from "@rsyscall/native";

/*
 * Requests and results as bytes: stub-c/include/rsyscall/protocol.h, docs/protocol.md.
 */

/** Bytes of a request: number, flags, six arguments. */
export const REQUEST_SIZE = 56;

/** Bytes of a result. */
export const RESULT_SIZE = 8;

/** Bytes of a `struct rsyscall_ring`, all of them zeros at first: stub-c/include/rsyscall/ring.h. A page. */
export const RING_SIZE = 4096;

/** The call waits for nothing, so results that are ready may wait for it. */
export const REQUEST_PROMPT = 1;

/** Not system calls: whole transfers over a stream socket, (fd, address, length). */
export const OP_SEND_ALL = 0x7fff0000;
export const OP_RECV_ALL = 0x7fff0001;
/** clone3(2), (struct clone_args *, struct rsyscall_child *): a child could not return from a system call. */
export const OP_CLONE = 0x7fff0002;
/** memcpy(3) in the task, (to, from, length). */
export const OP_COPY = 0x7fff0003;
/** epoll_wait(2) that lets other requests pass, (epoll fd, how many at most): see `EventWaits`. */
export const OP_EPOLL_WAIT = 0x7fff0004;

/** What one OP_EPOLL_WAIT gives at most. */
export const EVENTS_AT_MOST = 64;

const setWord = (view: DataView, at: number, word: Word): void => {
  if (typeof word === "bigint") view.setBigInt64(at, BigInt.asIntN(64, word), true);
  else {
    view.setUint32(at, word, true);
    view.setInt32(at + 4, Math.floor(word / 2 ** 32), true);
  }
};

export const encodeRequest = (
  view: DataView,
  at: number,
  number: number,
  flags: number,
  words: ReadonlyArray<Word>,
): void => {
  view.setUint32(at, number, true);
  view.setUint32(at + 4, flags, true);
  for (let i = 0; i < 6; i++) setWord(view, at + 8 + 8 * i, words[i] ?? 0);
};

export const decodeResult = (view: DataView, at: number): Word => {
  const high = view.getInt32(at + 4, true);
  // Beyond 2^53 a number would lie.
  return high >= -(2 ** 21) && high < 2 ** 21
    ? high * 2 ** 32 + view.getUint32(at, true)
    : view.getBigInt64(at, true);
};
