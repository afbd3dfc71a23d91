import { readdirSync, statSync } from "node:fs";
import { AF, SOCK } from "@rsyscall/abi";
import type { FileDescriptor } from "@rsyscall/handle";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { it, tempDirectory } from "../../../../tests/harness/index.ts";
import { bindUnix, connectUnix, mkdir, Socket } from "../../src/index.ts";

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
      const { ino } = yield* first.fstat;
      for (const fd of received.fds) assert.equal((yield* fd.fstat).ino, ino);
    });

  it("leaks no descriptor for which there is no room", function* () {
    const { task } = yield* LocalThread;
    const [first, second] = yield* Socket.pair(task);
    const fds: ReadonlyArray<FileDescriptor> = yield* Effect.replicateEffect(first.dup(), 5);
    yield* first.sendFds(Uint8Array.of(1), fds);
    const before = openFds();
    yield* Effect.scoped(second.receiveFds(1, 2));
    assert.equal(openFds(), before);
  });

  it("knows who is at the other end", function* () {
    const { task } = yield* LocalThread;
    const [first] = yield* Socket.pair(task);
    assert.deepEqual(yield* first.peerCredentials, {
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
      assert.include((yield* Effect.flip(use(socket, "/tmp/a\0b"))).message, "EINVAL");
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
