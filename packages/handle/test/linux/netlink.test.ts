import { decodeNetlink, encodeNetlink, RTM } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { netlinkRequest } from "../../src/linux/netlink.ts";
import type { Socket } from "../../src/sys/socket.ts";

/** What a task claims to have received: the same datagram again and again, which never ends the answer. */
const endless = (messages: number, payload: Uint8Array) => {
  let datagram = new Uint8Array();
  let received = 0;
  const socket: Pick<Socket, "sendTo" | "receiveFrom"> = {
    sendTo: (bytes) =>
      Effect.sync(() => {
        const { seq } = decodeNetlink(bytes)[0] as { seq: number };
        const message = encodeNetlink({ type: RTM.NEWLINK, flags: 0, seq, pid: 0, payload });
        datagram = new Uint8Array(messages * message.length);
        for (let i = 0; i < messages; i++) datagram.set(message, i * message.length);
        return bytes.length;
      }),
    receiveFrom: () =>
      Effect.sync(() => {
        received += datagram.length;
        const address = { family: "netlink", pid: 0, groups: 0 } as const;
        return { bytes: datagram, address, flags: 0, length: datagram.length };
      }),
  };
  return { socket: socket as Socket, received: () => received };
};

describe("an answer without end", () => {
  const answers = [
    ["of long messages", 1, 60_000, undefined, 2 ** 28],
    ["of messages that are empty", 1000, 0, 2 ** 20, 2 ** 17],
  ] as const;
  for (const [what, messages, size, limit, most] of answers)
    it(`fills no memory: ${what}`, function* () {
      const { socket, received } = endless(messages, new Uint8Array(size));
      const request = {
        type: RTM.GETLINK,
        payload: new Uint8Array(),
        name: "RTM_GETLINK",
        ...(limit !== undefined && { limit }),
      };
      const error = yield* Effect.flip(netlinkRequest(socket, request));
      assert.match(error.message, /^RTM_GETLINK: EPROTO: .*an answer that is too long/);
      assert.isAtMost(received(), most + 2 ** 16);
    });
});
