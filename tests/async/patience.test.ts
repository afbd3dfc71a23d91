import { fileURLToPath } from "node:url";
import { execute, it, tempDirectory } from "@rsyscall/harness";
import { assert, describe } from "vitest";

const program = fileURLToPath(new URL("patience.mjs", import.meta.url));

const waits = [
  "read",
  "readBytes",
  "recv",
  "receiveFds",
  "recvBytes",
  "recv, MSG_WAITALL",
  "recvBytes, MSG_WAITALL",
  "receiveFrom",
  "receiveMessage",
  "receiveMessages",
  "accept",
  "acceptFrom",
  "readCount",
  "readExpirations",
  "readSignals",
  "readEvents",
  "epoll.wait for ever",
  "epoll.wait 15 ms",
  "waitid",
  "write",
  "writeBytes",
  "writeAllBytes",
  "send",
  "sendFds",
  "flock",
  "F_OFD_SETLKW",
  "FileLock.make",
  "RecordLock.make",
  "sendBytes",
  "sendAllBytes",
  "sendMessages, until it is full",
];

describe("a call of this process that would wait", () => {
  it("lets the event loop turn, and its timeout ends it", function* () {
    const { stdout, stderr, signal } = yield* execute(
      process.execPath,
      [program, yield* tempDirectory],
      // A call that blocks would never end.
      { timeout: 20_000, killSignal: "SIGKILL" },
    );
    assert.equal(signal, null, stderr.toString());
    const { outcomes, longest } = JSON.parse(stdout.toString());
    assert.deepEqual(outcomes, {
      ...Object.fromEntries(waits.map((name) => [name, "waits"])),
      "what was written": "is there",
      "the end of a child": true,
      MSG_WAITALL: [0, 0, 1, 1, 2, 2, 3, 3, 3],
      "MSG_WAITALL of messages": [true, true, true, true],
      "non-blocking": "EAGAIN",
      "the wrong direction": "EBADF",
      "a directory": "EISDIR",
    });
    assert.isBelow(longest, 1000);
  });
});
