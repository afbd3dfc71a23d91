import { readdirSync, statSync } from "node:fs";
import { AF, Bytes, MSG, RLIMIT, SO, SOCK, SOL } from "@rsyscall/abi";
import type { FileDescriptor } from "@rsyscall/handle";
import { it, tempDirectory } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { bindUnix, connectUnix, getrlimit, mkdir, Socket, setrlimit } from "../../src/index.ts";

const openFds = () => readdirSync("/proc/self/fd").length;

describe("Socket", () => {
  for (const count of [0, 1, 3, 253])
    it(`passes ${count} descriptors with their bytes`, function* () {
      const { task } = yield* LocalThread;
      const [first, second] = yield* Socket.pair(task);
      const fds = yield* Effect.replicateEffect(first.dup(), count);
      assert.equal(yield* first.sendFds(new TextEncoder().encode("data"), fds), 4);
      const received = yield* second.receiveFds(100, count);
      assert.equal(new TextDecoder().decode(received.bytes), "data");
      assert.equal(received.fds.length, count);
      const { ino } = yield* first.fstat();
      for (const fd of received.fds) assert.equal((yield* fd.fstat()).ino, ino);
    });

  it("takes as many descriptors as were asked for, and leaks none of the others", function* () {
    const { task } = yield* LocalThread;
    const [first, second] = yield* Socket.pair(task);
    const fds: ReadonlyArray<FileDescriptor> = yield* Effect.replicateEffect(first.dup(), 5);
    const before = openFds();
    for (let most = 0; most <= 6; most++) {
      yield* first.sendFds(Uint8Array.of(1), fds);
      yield* Effect.scoped(
        Effect.gen(function* () {
          const received = yield* second.receiveFds(1, most);
          assert.equal(received.fds.length, Math.min(most, 5));
          assert.equal(received.flags, most < 5 ? MSG.CTRUNC : 0);
          assert.isAtMost(openFds(), before + received.fds.length);
        }),
      );
    }
    assert.isAtMost(openFds(), before);
  });

  it("takes descriptors beside the credentials of SO_PASSCRED, and the pidfd of SO_PASSPIDFD", function* () {
    const { task } = yield* LocalThread;
    const [first, second] = yield* Socket.pair(task);
    yield* second.setOption(SOL.SOCKET, SO.PASSCRED, 1);
    // Linux 6.5 has it.
    yield* Effect.ignore(second.setOption(SOL.SOCKET, SO.PASSPIDFD, 1));
    const before = openFds();
    for (const most of [1, 2, 253]) {
      yield* first.sendFds(Uint8Array.of(1), Array(most).fill(first));
      yield* Effect.scoped(
        Effect.gen(function* () {
          const received = yield* second.receiveFds(1, most);
          assert.equal(received.fds.length, most);
          for (const fd of received.fds) assert.instanceOf(yield* Socket.from(fd), Socket);
        }),
      );
      assert.isAtMost(openFds(), before, "the pidfd too");
    }
  });

  it("tells of a datagram that was cut, and owns what came with it", function* () {
    const { task } = yield* LocalThread;
    const [first, second] = yield* Socket.pair(task, AF.UNIX, SOCK.DGRAM);
    const before = openFds();
    for (const [flags, length] of [
      [0, 4],
      [MSG.TRUNC, 10],
    ] as const) {
      yield* first.sendFds(new TextEncoder().encode("0123456789"), [first]);
      yield* Effect.scoped(
        Effect.gen(function* () {
          const received = yield* second.receiveFds(4, 1, flags);
          assert.equal(new TextDecoder().decode(received.bytes), "0123");
          assert.deepEqual([received.flags, received.length], [MSG.TRUNC, length]);
          assert.equal(received.fds.length, 1);
        }),
      );
      assert.isAtMost(openFds(), before);
    }
    yield* first.sendFds(new TextEncoder().encode("0123456789"), []);
    const [got, rest] = yield* second.recv(yield* task.malloc(Bytes, 4), MSG.TRUNC);
    assert.deepEqual([got.size, rest.size], [4, 0]);
  });

  it("says so when RLIMIT_NOFILE leaves no number for a descriptor", function* () {
    const { task } = yield* LocalThread;
    const [first, second] = yield* Socket.pair(task);
    const limit = yield* getrlimit(task, RLIMIT.NOFILE);
    const before = openFds();
    // The next two numbers, and no more.
    const free = yield* Effect.scoped(
      Effect.map(Effect.replicateEffect(first.dup(), 3), (fds) => fds.map(({ near }) => near)),
    );
    yield* first.sendFds(Uint8Array.of(1), [first, first, first]);
    const received = yield* Effect.scoped(
      Effect.acquireUseRelease(
        setrlimit(task, RLIMIT.NOFILE, { ...limit, cur: BigInt(free[2] as number) }),
        () => second.receiveFds(1, 3),
        () => Effect.ignore(setrlimit(task, RLIMIT.NOFILE, limit)),
      ),
    );
    assert.deepEqual([received.fds.length, received.flags], [2, MSG.CTRUNC]);
    assert.isAtMost(openFds(), before);
  });

  it("refuses numbers that are no sizes, and takes nothing then", function* () {
    const { task } = yield* LocalThread;
    const [first, second] = yield* Socket.pair(task);
    yield* first.sendFds(Uint8Array.of(1), [first]);
    const before = openFds();
    for (const [size, most] of [
      [-1, 0],
      [1, -1],
      [Number.NaN, 1],
      [1, Number.NaN],
      [1.5, 1],
      [1, 0.5],
      [2 ** 60, 1],
      [Number.POSITIVE_INFINITY, 1],
    ] as const) {
      const error = yield* Effect.flip(second.receiveFds(size, most));
      assert.include(["InvalidArgumentError", "OutOfSpaceError"], error._tag, `${size}, ${most}`);
    }
    assert.isAtMost(openFds(), before);
    assert.equal((yield* Effect.scoped(second.receiveFds(1, 1))).fds.length, 1);
  });

  it("knows who is at the other end", function* () {
    const { task } = yield* LocalThread;
    const [first] = yield* Socket.pair(task);
    assert.deepEqual(yield* first.peerCredentials(), {
      pid: process.pid,
      uid: process.geteuid?.(),
      gid: process.getegid?.(),
    });
  });

  const names = {
    short: "s",
    "with other letters": "söckêt 'x'\n",
    "longer than an address": "n".repeat(150),
    "as long as a name can be": "m".repeat(255),
  };
  for (const [how, name] of Object.entries(names))
    for (const depth of [0, 3])
      it(`binds and connects by a path ${how}, ${depth} long directories down`, function* () {
        const { task } = yield* LocalThread;
        let directory = yield* tempDirectory;
        for (let i = 0; i < depth; i++) {
          directory += `/${"d".repeat(100)}`;
          yield* mkdir(task, directory);
        }
        const server = yield* Socket.make(task, AF.UNIX, SOCK.STREAM);
        yield* bindUnix(server, `${directory}/${name}`);
        yield* server.listen(1);
        assert.deepEqual(readdirSync(directory), [name]);
        assert.isTrue(statSync(`${directory}/${name}`).isSocket());
        const client = yield* Socket.make(task, AF.UNIX, SOCK.STREAM);
        yield* connectUnix(client, `${directory}/${name}`);
        const accepted = yield* server.accept();
        yield* client.writeAllText("through");
        assert.equal(new TextDecoder().decode(yield* accepted.readBytes()), "through");
      });

  it("refuses a path with a NUL in it", function* () {
    const { task } = yield* LocalThread;
    const socket = yield* Socket.make(task, AF.UNIX, SOCK.STREAM);
    for (const use of [bindUnix, connectUnix])
      for (const path of ["/tmp/a\0b", "/tmp/\ud800"])
        assert.equal((yield* Effect.flip(use(socket, path)))._tag, "InvalidArgumentError");
  });

  it("does not take a name that is there, whatever its length", function* () {
    const { task } = yield* LocalThread;
    const directory = yield* tempDirectory;
    for (const name of ["x", "y".repeat(200)]) {
      yield* bindUnix(yield* Socket.make(task, AF.UNIX, SOCK.STREAM), `${directory}/${name}`);
      const second = yield* Socket.make(task, AF.UNIX, SOCK.STREAM);
      const error = yield* Effect.flip(bindUnix(second, `${directory}/${name}`));
      assert.match(error.message, /EADDRINUSE|EEXIST/);
    }
    assert.equal(readdirSync(directory).length, 2);
  });
});
