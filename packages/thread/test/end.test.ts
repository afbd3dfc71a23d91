import { FdPassConnection } from "@rsyscall/connection";
import { it, launchStubWith } from "@rsyscall/harness";
import { ConnectionEnd, SyscallSendError } from "@rsyscall/near";
import { Effect, Exit, Fiber, Scope } from "effect";
import { assert, describe } from "vitest";
import { LocalThread, makeEpoller } from "../src/index.ts";

const gone = Exit.fail(new ConnectionEnd((syscall) => new SyscallSendError({ syscall })));

/*
 * The results of calls may come before the end of the connection, and their users go on after the scope of the
 * Thread was closed. So the scope is closed here while the process still serves.
 */
describe("what a Thread has for itself, closed because its process is gone", () => {
  for (const sharedMemory of [true, false]) {
    const way = sharedMemory ? "through shared memory" : "over sockets";

    it(`fails with the end of the connection: its epoll instance, ${way}`, function* () {
      const { thread } = (yield* launchStubWith({ sharedMemory })).call;
      const [reader] = yield* thread.pipe();
      const scope = yield* Scope.make();
      const make = Scope.provide(makeEpoller(thread.task, thread.connection), scope);
      const epoller = yield* make;
      const told: Array<boolean> = [];
      yield* epoller.watch(reader, (hasEnded) => told.push(hasEnded));
      yield* Scope.close(scope, gone);
      assert.deepEqual(told, [true]);
      for (const use of [
        epoller.register(reader),
        epoller.watch(reader, () => {}),
        epoller.waitFor(reader, 1),
        // It is made when the scope has closed already.
        make,
      ] as ReadonlyArray<Effect.Effect<unknown, unknown, Scope.Scope>>)
        assert.instanceOf(yield* Effect.flip(use), SyscallSendError);
    });

    it(`fails with the end of the connection: what passes descriptors, ${way}`, function* () {
      const local = yield* LocalThread;
      const { thread } = (yield* launchStubWith({ sharedMemory })).call;
      const [reader] = yield* thread.pipe();
      const [ours] = yield* local.pipe();
      const scope = yield* Scope.make();
      const [channel] = yield* Scope.provide(thread.connection.openChannels(1), scope);
      assert(channel !== undefined);
      const connection = new FdPassConnection(
        channel[0],
        local.connection.accessEpoller,
        channel[1],
      );
      assert.equal((yield* connection.passFrom([reader])).length, 1);
      yield* Scope.close(scope, gone);
      for (const use of [
        connection.openChannels(1),
        connection.openAsyncChannels(1),
        connection.passTo([ours]),
        connection.passFrom([reader]),
      ] as ReadonlyArray<Effect.Effect<unknown, unknown, Scope.Scope>>)
        assert.instanceOf(yield* Effect.flip(use), SyscallSendError);
    });
  }

  it("fails with the end of the connection: a descriptor that is registered", function* () {
    const local = yield* LocalThread;
    const [reader] = yield* local.pipe();
    const scope = yield* Scope.make();
    const afd = yield* Scope.provide(local.makeAfd(reader), scope);
    const reading = yield* Effect.forkChild(Effect.flip(afd.readBytes()), {
      startImmediately: true,
    });
    yield* Scope.close(scope, gone);
    assert.instanceOf(yield* Fiber.join(reading), SyscallSendError);
  });
});
