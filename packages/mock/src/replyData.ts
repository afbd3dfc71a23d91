import { constants } from "node:os";
import { TextEncoder } from "node:util";
import { isUint8Array } from "node:util/types";
import { MockError } from "./errors.ts";
import { checkNames } from "./options.ts";
import type { Chunk, Pass, ReplyData, ReplyOptions, Spy } from "./reply.ts";

/** A reply without a function: text or bytes for stdout, a status, both and more, `pass`, or `spy`. */
export type Reply = string | Uint8Array | number | ReplyOptions | Pass | Spy;

const bytesOf = (text: string | Uint8Array): Uint8Array =>
  typeof text === "string" ? new TextEncoder().encode(text) : text;

const isByte = (status: unknown): boolean =>
  Number.isInteger(status) && (status as number) >= 0 && (status as number) <= 255;

/** A wrong value: text with its quotes, so that "3" is not taken for 3. */
const shown = (value: unknown): string =>
  typeof value === "string" ? JSON.stringify(value) : String(value);

const KEYS = ["stdout", "stderr", "chunks", "status", "signal", "delay"];

/** Of replies that are no output and no end. */
const OPTIONS = {
  pass: ["program", "args", "env", "mocked", "outside"],
  spy: ["limit"],
};

/** A reply as it goes to the engine. A wrong one is refused in words. */
export const replyDataOf = (reply: Reply): ReplyData => {
  if (typeof reply === "string" || isUint8Array(reply))
    return { reply: "fixed", chunks: [[1, bytesOf(reply)]], status: 0 };
  if (typeof reply === "number") return replyDataOf({ status: reply });
  if (reply === null || (typeof reply !== "object" && typeof reply !== "function"))
    throw new MockError([
      `reply: ${String(reply)} is no reply: give text, a status, an object, pass, spy or a function`,
    ]);
  // `pass` is a function too, which cannot be sent to another thread.
  if ("reply" in reply) {
    const { reply: kind, ...options } = reply;
    if (kind in OPTIONS) checkNames(kind, options, OPTIONS[kind], kind);
    return { ...reply };
  }
  checkNames("reply", reply, KEYS, "a reply");
  const { stdout, stderr, chunks = [], status = 0, signal, delay } = reply;
  if (!isByte(status))
    throw new MockError([
      `reply: the status is ${shown(status)}, and must be a whole number from 0 to 255`,
    ]);
  if (delay !== undefined && !(typeof delay === "number" && delay >= 0))
    throw new MockError([
      `reply: the delay is ${shown(delay)}, and must be milliseconds from 0 on`,
    ]);
  return {
    reply: "fixed",
    chunks: [
      ...(stdout === undefined ? [] : [[1, bytesOf(stdout)] as const]),
      ...(stderr === undefined ? [] : [[2, bytesOf(stderr)] as const]),
      ...chunks.map(([fd, bytes]): Chunk => [fd, bytesOf(bytes)]),
    ],
    status,
    ...(signal === undefined ? {} : { signal: signalNumber(signal) }),
    ...(delay === undefined ? {} : { delay }),
  };
};

const signalNumber = (signal: string | number): number => {
  const number =
    typeof signal === "number"
      ? signal
      : (constants.signals as Record<string, number>)[
          signal.startsWith("SIG") ? signal : `SIG${signal}`
        ];
  if (number === undefined || !Number.isInteger(number) || number < 1 || number > 64)
    throw new MockError([
      `reply: the signal is ${shown(signal)}, and must be a name as SIGTERM, or a number from 1 to 64`,
    ]);
  return number;
};
