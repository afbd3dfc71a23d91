import {
  CString,
  decodeAttributes,
  decodeNetlink,
  encodeNetlink,
  Int32,
  MSG,
  type NetlinkMessage,
  NLM_F,
  NLMSG,
  NLMSGERR_ATTR,
  Nlmsghdr,
} from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect } from "effect";
import type { BorrowFailure, MallocFailure } from "../errors.ts";
import type { Socket } from "../sys/socket.ts";

/** A request to the kernel: netlink(7). */
export interface NetlinkRequest {
  /** Of the protocol: `RTM.NEWLINK`. */
  readonly type: number;
  /** Of `NLM_F`, beside REQUEST and ACK. Default: none. */
  readonly flags?: number;
  /** The bytes behind the header. */
  readonly payload: Uint8Array;
  /** The name of the request in errors: "RTM_NEWLINK". */
  readonly name: string;
  /** What it is about, in errors: the name of an interface. */
  readonly subject?: string;
  /**
   * How long the answer may be: in bytes, and 128 more for each message. EPROTO for a longer one: a task that lies must
   * not fill the memory of this process. Default: 256 MiB.
   */
  readonly limit?: number;
}

/** Room for one datagram of the kernel, which writes at most 32 KiB. */
const DATAGRAM = 65536;

/** Datagrams of one answer: far more than a dump of all routes of the Internet has. */
const DATAGRAMS_AT_MOST = 100_000;

/** Bytes of one answer by default. All routes of the Internet are 250 MB, as they are counted here. */
const ANSWER_AT_MOST = 256 * 1024 ** 2;

/** What a message costs here beside its bytes: a peer may send many that have none. */
const COST_OF_MESSAGE = 128;

/** How often a dump is made again because what it lists has changed meanwhile. */
const DUMPS_AT_MOST = 10;

/** What is known of an answer after a datagram. */
interface Answer {
  readonly messages: Array<NetlinkMessage>;
  readonly isDone: boolean;
  readonly isInterrupted: boolean;
}

/**
 * Sends a request on a netlink socket, and gives the messages of the answer; a SyscallError with the name of the request
 * if the kernel refuses it, with the kernel's explanation if NETLINK_EXT_ACK is set. A dump that has changed meanwhile
 * is made again. See netlink(7).
 *
 * The kernel answers within sendmsg(2), so this does not wait. Requests on one socket must not overlap: see `Rtnetlink`.
 */
export const netlinkRequest = (
  socket: Socket,
  request: NetlinkRequest,
): Effect.Effect<ReadonlyArray<NetlinkMessage>, MallocFailure | BorrowFailure> => {
  const attempt = (
    left: number,
  ): Effect.Effect<ReadonlyArray<NetlinkMessage>, MallocFailure | BorrowFailure> =>
    Effect.flatMap(ask(socket, request), ({ messages, isInterrupted }) =>
      !isInterrupted
        ? Effect.succeed(messages)
        : left > 1
          ? attempt(left - 1)
          : Effect.fail(
              near.SyscallError.of(
                request.name,
                "EINTR",
                request.subject,
                "what it lists has changed during each of the attempts",
              ),
            ),
    );
  return Effect.uninterruptible(attempt(DUMPS_AT_MOST));
};

const ask = (
  socket: Socket,
  request: NetlinkRequest,
): Effect.Effect<Answer, MallocFailure | BorrowFailure> =>
  Effect.gen(function* () {
    const { type, flags = 0, payload, limit = ANSWER_AT_MOST } = request;
    const seq = Math.floor(Math.random() * 2 ** 32);
    const all = flags | NLM_F.REQUEST | NLM_F.ACK;
    const bytes = encodeNetlink({ type, flags: all, seq, pid: 0, payload });
    yield* socket.sendTo(bytes, KERNEL, MSG.DONTWAIT);
    let answer: Answer = { messages: [], isDone: false, isInterrupted: false };
    let cost = 0;
    for (let left = DATAGRAMS_AT_MOST; !answer.isDone; left--) {
      if (left === 0) return yield* unanswered(request, "an answer without end");
      const received = yield* socket
        .receiveFrom(DATAGRAM, MSG.DONTWAIT)
        .pipe(near.catchErrno("EAGAIN", () => unanswered(request, "no answer")));
      const { address, flags } = received;
      // Another process may send to this port as well.
      if (address?.family !== "netlink" || address.pid !== 0) continue;
      if (flags & MSG.TRUNC) return yield* unanswered(request, "a datagram that is too long");
      const messages = yield* near.decoded(request.name, request.subject, () =>
        decodeNetlink(received.bytes).filter((message) => message.seq === seq),
      );
      cost += received.bytes.length + messages.length * COST_OF_MESSAGE;
      if (cost > limit) return yield* unanswered(request, "an answer that is too long");
      answer = yield* after(answer, messages, request);
    }
    return answer;
  });

const KERNEL = { family: "netlink", pid: 0, groups: 0 } as const;

const unanswered = ({ name, subject }: NetlinkRequest, what: string) =>
  Effect.fail(near.impossible(name, subject, what));

/** Adds messages to an answer, up to its end. */
const after = (
  { messages, isInterrupted }: Answer,
  more: ReadonlyArray<NetlinkMessage>,
  request: NetlinkRequest,
): Effect.Effect<Answer, near.SyscallError> => {
  let interrupted = isInterrupted;
  for (const message of more) {
    interrupted ||= (message.flags & NLM_F.DUMP_INTR) !== 0;
    if (message.type === NLMSG.NOOP) continue;
    if (message.type !== NLMSG.ERROR && message.type !== NLMSG.DONE) {
      messages.push(message);
      continue;
    }
    const error = near.decoded(request.name, request.subject, () => errorOf(message, request));
    return Effect.flatMap(error, (error) =>
      error === undefined
        ? Effect.succeed({ messages, isDone: true, isInterrupted: interrupted })
        : Effect.fail(error),
    );
  }
  return Effect.succeed({ messages, isDone: false, isInterrupted: interrupted });
};

/** The error that an acknowledgement reports; undefined for success. */
const errorOf = (
  { type, flags, payload }: NetlinkMessage,
  { name, subject }: NetlinkRequest,
): near.SyscallError | undefined => {
  if (payload.length < Int32.size) {
    // The end of a dump may be without a number.
    if (type === NLMSG.DONE) return undefined;
    throw new RangeError(`an acknowledgement of ${payload.length} bytes`);
  }
  const result = Int32.decode(payload);
  if (result === 0 || (type === NLMSG.DONE && result > 0)) return undefined;
  if (result > 0) throw new RangeError(`the errno -${result}`);
  const error = near.SyscallError.from(name, result, subject);
  const explanation = explained(flags, type, payload) ?? explanations[error.errno];
  return explanation === undefined ? error : error.because(explanation);
};

/** Where the kernel does not explain its error. */
const explanations: Readonly<Record<string, string>> = {
  EPERM:
    "the process needs CAP_NET_ADMIN in the user namespace of its network namespace, as a child of clone(CLONE.NEWUSER | CLONE.NEWNET) has",
  ENODEV: "this network namespace has no such interface",
  EEXIST: "there is one of that name, or address, already",
};

/** The kernel's explanation. It is behind the header of the request, or all of it. */
const explained = (flags: number, type: number, payload: Uint8Array): string | undefined => {
  if ((flags & NLM_F.ACK_TLVS) === 0) return undefined;
  const header = payload.subarray(Int32.size);
  const { length } = type === NLMSG.DONE ? { length: 0 } : Nlmsghdr.decode(header);
  const skipped =
    type === NLMSG.DONE ? 0 : flags & NLM_F.CAPPED ? Nlmsghdr.size : Math.ceil(length / 4) * 4;
  const text = decodeAttributes(header.subarray(skipped)).find(
    (attribute) => attribute.type === NLMSGERR_ATTR.MSG,
  );
  return text === undefined ? undefined : CString.decode(text.payload);
};
