import { x86_64 } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { getpid, SyscallHangup, SyscallSendError } from "@rsyscall/near";
import { REQUEST_PROMPT, REQUEST_SIZE } from "@rsyscall/wire";
import { Effect, Exit, Fiber } from "effect";
import { assert, describe } from "vitest";
import { begin, connect, failure, receive, requests, result } from "./peer.ts";

describe("SyscallSocket", () => {
  it("sends what is submitted together in one write, and takes results in pieces", function* () {
    const { sysif, peer } = yield* connect;
    const calls = yield* begin(
      Effect.all([getpid(sysif), getpid(sysif), getpid(sysif)], { concurrency: "unbounded" }),
    );
    assert.equal((yield* peer.readBytes()).length, 3 * REQUEST_SIZE);
    for (const byte of [...result(1), ...result(2), ...result(3)])
      yield* Effect.andThen(peer.sendAllBytes(Uint8Array.of(byte)), Effect.yieldNow);
    assert.deepEqual(yield* Fiber.join(calls), [1, 2, 3].map(Number) as never);
  });

  it("says which calls are prompt, and no others", function* () {
    const { sysif, peer } = yield* connect;
    const number = (name: Parameters<typeof x86_64.syscallNumber>[0]) =>
      x86_64.syscallNumber(name) as number;
    for (const name of ["getpid", "read"] as const) yield* begin(sysif.syscall(number(name)));
    const [getpid, read] = yield* requests(peer, 2);
    assert.deepInclude(getpid, { number: number("getpid"), flags: REQUEST_PROMPT });
    assert.deepInclude(read, { number: number("read"), flags: 0 });
    yield* peer.handle.close();
  });

  it("keeps ten thousand requests in order, more than the socket holds or a write takes", function* () {
    const { sysif, peer } = yield* connect;
    const count = 10_000;
    const calls = yield* begin(
      Effect.all(
        Array.from({ length: count }, (_, i) => sysif.syscall(1, i)),
        { concurrency: "unbounded" },
      ),
    );
    // Nothing is read until the connection has long been unable to write.
    const seen = yield* requests(peer, count);
    seen.forEach(({ args }, i) => {
      assert.equal(args[0], i);
    });
    const answers = new Uint8Array(8 * count);
    seen.forEach(({ args }, i) => {
      answers.set(result(2 * (args[0] as number)), 8 * i);
    });
    yield* peer.sendAllBytes(answers);
    (yield* Fiber.join(calls)).forEach((answer, i) => {
      assert.equal(answer, 2 * i);
    });
  });

  it("waits for the result of what was sent, although the fiber is interrupted", function* () {
    const { sysif, peer } = yield* connect;
    const calling = yield* begin(getpid(sysif));
    yield* requests(peer, 1);
    const interrupting = yield* begin(Fiber.interrupt(calling));
    const next = yield* begin(getpid(sysif));
    yield* requests(peer, 1);
    assert.isUndefined(calling.pollUnsafe());
    yield* peer.sendAllBytes(result(1));
    yield* Fiber.join(interrupting);
    assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(calling)));
    // The result was taken by whom it was for.
    yield* peer.sendAllBytes(result(2));
    assert.equal(yield* Fiber.join(next), 2);
  });

  for (const length of [0, 1, 7])
    it(`hangs up when the peer does, after ${length} bytes of a result`, function* () {
      const { sysif, peer } = yield* connect;
      const calling = yield* begin(getpid(sysif));
      yield* requests(peer, 1);
      yield* peer.sendAllBytes(result(1).subarray(0, length));
      yield* peer.handle.close();
      const error = yield* failure(calling);
      assert.instanceOf(error, SyscallHangup);
      assert.equal(error.syscall, "getpid");
      yield* sysif.ended();
      assert.instanceOf(yield* Effect.flip(getpid(sysif)), SyscallSendError);
    });

  it("gives the results that came before the peer hung up", function* () {
    const { sysif, peer } = yield* connect;
    const first = yield* begin(getpid(sysif));
    const second = yield* begin(getpid(sysif));
    yield* requests(peer, 2);
    yield* peer.sendAllBytes(new Uint8Array([...result(5), ...result(6).subarray(0, 4)]));
    yield* peer.handle.close();
    assert.equal(yield* Fiber.join(first), 5);
    assert.instanceOf(yield* failure(second), SyscallHangup);
  });

  it("hangs up when the peer does before it has read the requests", function* () {
    const { sysif, peer } = yield* connect;
    const calling = yield* begin(getpid(sysif));
    yield* peer.handle.close();
    assert.match((yield* failure(calling))._tag, /^Syscall(Hangup|SendError)$/);
    yield* sysif.ended();
  });

  it("hangs up on a peer that answers what nobody asked", function* () {
    const { sysif, peer } = yield* connect;
    yield* peer.sendAllBytes(result(1));
    yield* sysif.ended();
    assert.isTrue(sysif.hasEnded);
    assert.equal((yield* peer.readBytes()).length, 0);
  });

  it("hangs up on a peer that answers more than was asked, after what was", function* () {
    const { sysif, peer } = yield* connect;
    const calling = yield* begin(getpid(sysif));
    yield* requests(peer, 1);
    yield* peer.sendAllBytes(new Uint8Array([...result(1), ...result(2)]));
    assert.equal(yield* Fiber.join(calling), 1);
    yield* sysif.ended();
  });

  it("tells calls that were sent from calls that were not, when it is closed", function* () {
    const { sysif, peer } = yield* connect;
    const sent = yield* begin(getpid(sysif));
    yield* requests(peer, 1);
    const unsent = yield* begin(getpid(sysif));
    yield* sysif.close();
    assert.instanceOf(yield* failure(sent), SyscallHangup);
    assert.instanceOf(yield* failure(unsent), SyscallSendError);
    assert.equal((yield* receive(peer, REQUEST_SIZE)).length, 0);
  });

  it("fails what is asked of it by those who learn that it has ended", function* () {
    const { sysif, peer } = yield* connect;
    const again = yield* begin(Effect.catch(getpid(sysif), () => getpid(sysif)));
    yield* requests(peer, 1);
    yield* peer.handle.close();
    assert.instanceOf(yield* failure(again), SyscallSendError);
  });
});
