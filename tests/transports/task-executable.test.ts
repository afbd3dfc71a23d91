import { spawn } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, readlinkSync } from "node:fs";
import type { Socket as NodeSocket } from "node:net";
import { fileURLToPath } from "node:url";
import { aarch64, RLIMIT, SIG, SO, SOL, x86_64 } from "@rsyscall/abi";
import { Socket } from "@rsyscall/handle";
import {
  eventually,
  execute,
  it,
  missing,
  notRoot,
  tempDirectory,
  untilEnded,
} from "@rsyscall/harness";
import { waitForMessage } from "@rsyscall/harness/stubClient";
import {
  CLOSE,
  CREDIT,
  DATA,
  END,
  frame,
  type Hello,
  LIFELINE,
  OP_RECV_ALL,
  OP_SEND_ALL,
  OPEN,
  opened,
  PASSING,
  pattern,
  readHello,
  request,
  Server,
  Stream,
  SYSCALLS,
  u32,
  WELCOME,
  WINDOW,
} from "@rsyscall/harness/taskStream";
import { taskPath } from "@rsyscall/native";
import { Command, LocalThread } from "@rsyscall/thread";
import { KEEP } from "@rsyscall/wire";
import { Effect, type Scope } from "effect";
import { assert, describe } from "vitest";

const MSG_DONTWAIT = 0x40;
const EAGAIN = -11;
const SHUT_RD = 0;
const SHUT_WR = 1;

/** Numbers of channels that a test opens. */
const A = 10;
const B = 11;

/** A stream, and the server process at its end. */
const make = (command?: ReadonlyArray<string>) =>
  Effect.flatMap(Stream.start(command), (stream) => Server.welcome(stream));

/** A stream with two more channels, and what they are in the process. */
const makeWithTwo = (command?: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const server = yield* make(command);
    const [a, b] = (yield* server.open(A, 2)) as [number, number];
    return { server, stream: server.stream, a, b };
  });

/** Descriptors of a process. */
const descriptors = (pid: number): ReadonlyArray<string> =>
  readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));

/** The descriptors that a process has found open, without those that this one was started with too. */
const notInherited = ({ pid, fds }: Hello): ReadonlyArray<number> => {
  const link = (owner: number | "self", fd: number) => {
    try {
      return readlinkSync(`/proc/${owner}/fd/${fd}`);
    } catch {
      return undefined;
    }
  };
  return fds.filter((fd) => fd < 3 || link(pid, fd) !== link("self", fd));
};

describe("the command line of rsyscall-task", () => {
  it("is explained", function* () {
    const help = yield* execute(taskPath, ["--help"]);
    assert.equal(help.status, 0);
    assert.match(help.stdout.toString(), /^usage: rsyscall-task .*stdin.*command/);
    for (const args of [[], ["no"], ["stdin", "command"], ["--unlink"], ["--unlink", "--help"]]) {
      const { status, stdout, stderr } = yield* execute(taskPath, args);
      assert.deepEqual([status, stdout.length], [2, 0], args.join(" "));
      assert.equal(stderr.toString(), help.stdout.toString());
    }
  });

  it("tells the version of the protocol and the machine", function* () {
    const { status, stdout } = yield* execute(taskPath, ["--version"]);
    assert.deepEqual([status, stdout.toString()], [0, "rsyscall 1 x86_64\n"]);
  });

  const ended = "stdin is closed, or ended before the first byte";
  const wrong: ReadonlyArray<[what: string, script: string, message: string, said?: string]> = [
    ["/dev/null", '"$0" stdin </dev/null', "stdin is not a Unix stream socket"],
    ["a pipe", ': | "$0" stdin', "stdin is not a Unix stream socket"],
    ["nothing", '"$0" stdin <&-', "stdin is not a Unix stream socket"],
    ["no stdin", '"$0" command <&-', ended, "rsyscall-refused stdin\n"],
    ["an empty stdin", '"$0" command </dev/null', ended, "rsyscall-refused stdin\n"],
    ["no stdout", '"$0" command >&-', "stdout is closed"],
  ];
  for (const [what, script, message, said = ""] of wrong)
    it(`says what is wrong with ${what}`, function* () {
      const { status, stdout, stderr } = yield* execute("/bin/sh", ["-c", script, taskPath]);
      assert.deepEqual([status, stdout.toString()], [2, said]);
      assert.equal(stderr.toString(), `rsyscall: ${message}\n`);
    });

  it("has the executable removed", function* () {
    const path = `${yield* tempDirectory}/task`;
    copyFileSync(taskPath, path);
    yield* execute(path, ["--unlink", "neither"]);
    assert.isTrue(existsSync(path), "not by a mistake");
    const server = yield* make([path, "--unlink", "command"]);
    assert.isFalse(existsSync(path));
    assert.equal(yield* server.call("getpid"), server.hello.pid);
    assert.deepEqual(server.hello.argv, [path, "--unlink", "command"]);
    // It cannot be removed twice.
    const again = [`/proc/${server.stream.pid}/exe`, "--unlink", "command"];
    yield* (yield* make(again)).call("getpid");
  });
});

const through: ReadonlyArray<[name: string, command: ReadonlyArray<string>]> = [
  ["sockets", [taskPath, "command"]],
  ["pipes", ["/bin/sh", "-c", 'cat | "$0" command | cat', taskPath]],
];
for (const [name, command] of through)
  describe(`a stream through ${name}`, () => {
    it("begins with a hello on channel 0", function* () {
      const stream = yield* Stream.start(command);
      const { hello } = yield* Server.welcome(stream);
      assert.deepEqual(stream.log[0], [0, DATA]);
      assert.deepInclude(hello, { version: 1, machine: 62, cwd: process.cwd(), arenaSize: 0n });
      assert.deepEqual(hello.argv, [taskPath, "command"]);
      assert.include(hello.environment, `RSYSCALL_TEST=${process.pid}`);
      assert.deepEqual(notInherited(hello), [0, 1, 2]);
      // It is another process than the one with the stream, and has nothing of it.
      assert.equal(readlinkSync(`/proc/${hello.pid}/fd/0`), "/dev/null");
      const [stdout, stderr] = [1, 2].map((fd) => readlinkSync(`/proc/${hello.pid}/fd/${fd}`));
      assert.equal(stdout, stderr);
      assert.equal(readlinkSync(`/proc/${hello.ppid}/exe`), taskPath);
      assert.equal(readlinkSync(`/proc/${hello.ppid}/cwd`), "/");
      // The handshake's channel ends with it.
      yield* stream.until(() => stream.channel(0).closes === 1);
    });

    it("carries calls, in order", function* () {
      const server = yield* make(command);
      const { stream, hello } = server;
      assert.equal(yield* server.call("getpid"), hello.pid);
      const calls = Array.from({ length: 1000 }, (_, i) =>
        i % 2 === 0 ? server.request("getpid") : server.request("getppid"),
      );
      yield* stream.sendData(SYSCALLS, Buffer.concat(calls));
      for (let i = 0; i < 1000; i++)
        assert.equal(yield* server.result, i % 2 === 0 ? hello.pid : hello.ppid);
    });

    it("carries memory there and back", function* () {
      const server = yield* make(command);
      for (const size of [1, 65536, WINDOW, 5 * WINDOW + 1]) {
        const bytes = pattern(size, size);
        yield* server.write(server.memory, bytes);
        assert.isTrue((yield* server.read(server.memory, size)).equals(bytes), `${size} bytes`);
      }
    });

    it("takes input while its output is not read", function* () {
      const { server, stream, a } = yield* makeWithTwo(command);
      stream.channel(A).gives = false;
      stream.pause();
      // More than all buffers on the way hold.
      const sending = server.request(OP_SEND_ALL, a, server.memory, 3 * WINDOW);
      yield* stream.sendData(SYSCALLS, sending);
      const bytes = pattern(WINDOW);
      yield* stream.sendData(B, bytes);
      yield* stream.flushed;
      stream.resume();
      yield* stream.until(() => stream.channel(A).length === WINDOW);
      stream.channel(A).gives = true;
      stream.send(A, CREDIT, u32(WINDOW));
      yield* stream.read(A, 3 * WINDOW);
      assert.equal(yield* server.result, 3 * WINDOW);
    });

    it("leaves no process when it ends", function* () {
      const server = yield* make(command);
      const { pid, ppid } = server.hello;
      // Asleep in a call.
      yield* server.stream.sendData(SYSCALLS, server.request("ppoll", 0, 0, 0, 0));
      server.stream.endInput();
      const { status } = yield* server.stream.ended;
      assert.equal(status, 0);
      yield* untilEnded(pid);
      yield* untilEnded(ppid);
    });

    it("ends when the server process has, and all was said", function* () {
      const server = yield* make(command);
      const { stream } = server;
      yield* stream.sendData(SYSCALLS, server.request("getpid"));
      yield* stream.sendData(SYSCALLS, server.request("exit_group", 7));
      for (const id of [0, 1, 2, 3, 4]) yield* stream.until(() => stream.channel(id).closes === 1);
      assert.equal(yield* server.result, server.hello.pid);
      yield* untilEnded(server.hello.ppid);
      // The first cat does not know.
      if (name === "pipes") stream.endInput();
      assert.equal((yield* stream.ended).status, 0);
    });
  });

describe("the server process of a stream", () => {
  it("dies with the process that carries the stream", function* () {
    const server = yield* make();
    yield* server.stream.sendData(SYSCALLS, server.request("ppoll", 0, 0, 0, 0));
    server.stream.kill("SIGKILL");
    yield* untilEnded(server.hello.pid);
  });

  it.skipIf(notRoot)("dies with it as another user too", function* () {
    const server = yield* make();
    assert.equal(yield* server.call("setresuid", 65534, 65534, 65534), 0);
    yield* server.stream.sendData(SYSCALLS, server.request("ppoll", 0, 0, 0, 0));
    server.stream.kill("SIGKILL");
    yield* untilEnded(server.hello.pid);
  });

  it("dies with its lifeline", function* () {
    const server = yield* make();
    yield* server.stream.sendData(SYSCALLS, server.request("ppoll", 0, 0, 0, 0));
    server.stream.send(LIFELINE, CLOSE);
    const { status, stderr } = yield* server.stream.ended;
    assert.deepEqual(
      [status, stderr],
      [0, "rsyscall: the controller disconnected without giving an exit status\n"],
    );
  });

  it("dies with the stream when it executes something else", function* () {
    const server = yield* make();
    const { memory, stream } = server;
    const text = Buffer.from("/bin/sleep\x001000\x00");
    const pointers = new BigUint64Array([BigInt(memory), BigInt(memory + 11), 0n]);
    yield* server.write(memory, text);
    yield* server.write(memory + 64, new Uint8Array(pointers.buffer));
    yield* stream.sendData(
      SYSCALLS,
      server.request("execve", memory, memory + 64, memory + 64 + 16),
    );
    yield* stream.until(() => [1, 2, 3, 4].every((id) => stream.channel(id).closes === 1));
    yield* eventually(() => readlinkSync(`/proc/${server.hello.pid}/exe`) !== taskPath);
    stream.endInput();
    assert.equal((yield* stream.ended).status, 0);
    yield* untilEnded(server.hello.pid);
  });

  it("shares no descriptors with the process that carries the stream", function* () {
    // The shell's, of which the server process has the only copy.
    const server = yield* make(["/bin/sh", "-c", 'exec "$0" command 7</dev/zero', taskPath]);
    assert.deepEqual(notInherited(server.hello), [0, 1, 2, 7]);
    assert.notInclude(descriptors(server.stream.pid), "/dev/zero");
  });
});

describe("channels of a stream", () => {
  it("wait for credit, and no other channel waits with them", function* () {
    const { server, stream, a, b } = yield* makeWithTwo();
    const bytes = pattern(4 * WINDOW);
    yield* server.write(server.memory, bytes);
    stream.channel(A).gives = false;
    // As much as goes in: what is granted, and what the socket holds.
    let sent = 0;
    while (sent < 4 * WINDOW) {
      const length = Math.min(65536, 4 * WINDOW - sent);
      const result = yield* server.call("sendto", a, server.memory + sent, length, MSG_DONTWAIT);
      if (result > 0) sent += result;
      else {
        assert.equal(result, EAGAIN);
        if (stream.channel(A).length === WINDOW && sent > WINDOW) break;
      }
    }
    assert.isBelow(sent, 2 * WINDOW);
    assert.equal(yield* server.call("sendto", b, server.memory, 100, 0, 0, 0), 100);
    assert.isTrue((yield* stream.read(B, 100)).equals(bytes.subarray(0, 100)));
    assert.equal(stream.channel(A).length, WINDOW);
    stream.send(A, CREDIT, u32(1));
    yield* stream.until(() => stream.channel(A).length === WINDOW + 1);
    stream.send(A, CREDIT, u32(WINDOW - 1));
    assert.isTrue((yield* stream.read(A, sent)).equals(bytes.subarray(0, sent)));
  });

  it("hold what is not read, and no other channel waits for it", function* () {
    const { server, stream, a } = yield* makeWithTwo();
    const bytes = pattern(3 * WINDOW);
    const channel = stream.channel(A);
    yield* stream.sendData(A, bytes.subarray(0, WINDOW));
    yield* stream.flushed;
    assert.equal(yield* server.call("getpid"), server.hello.pid);
    // What the socket holds was credited, and no more.
    assert.isBelow(channel.credit, WINDOW / 4);
    yield* stream.sendData(SYSCALLS, server.request(OP_RECV_ALL, a, server.memory, 3 * WINDOW));
    yield* stream.sendData(A, bytes.subarray(WINDOW));
    assert.equal(yield* server.result, 3 * WINDOW);
    assert.isTrue((yield* server.read(server.memory, 3 * WINDOW)).equals(bytes));
    yield* stream.until(() => channel.credit === WINDOW);
  });

  it("take turns", function* () {
    const server = yield* make();
    const { stream } = server;
    const fds = yield* server.open(A, 8);
    // All have something to say, much more than goes out at a time.
    for (const [i] of fds.entries()) stream.channel(A + i).gives = false;
    stream.pause();
    for (const fd of fds)
      yield* stream.sendData(
        SYSCALLS,
        server.request("sendto", fd, server.memory, 190_000, MSG_DONTWAIT),
      );
    // The results are behind it all, or among it; then each channel has had its turn.
    yield* stream.flushed;
    stream.resume();
    for (const _ of fds) assert.isAbove(yield* server.result, 65536);
    for (const [i] of fds.entries()) yield* stream.read(A + i, 65536);
  });

  it("end one way after the other, and their numbers are free again", function* () {
    const { server, stream, a } = yield* makeWithTwo();
    const { memory } = server;
    yield* stream.sendData(A, Buffer.from("last words"));
    stream.send(A, END);
    assert.equal(yield* server.call("recvfrom", a, memory, 100, 0x100, 0, 0), 10);
    assert.equal(yield* server.call("recvfrom", a, memory, 100, 0, 0, 0), 0);
    // The other way goes on.
    assert.equal(yield* server.call("sendto", a, memory, 10, 0, 0, 0), 10);
    assert.equal((yield* stream.read(A, 10)).toString(), "last words");
    assert.isFalse(stream.channel(A).hasEnded);
    assert.equal(yield* server.call("shutdown", a, SHUT_WR), 0);
    yield* stream.until(() => stream.channel(A).hasEnded);
    assert.equal(stream.channel(A).closes, 0);
    const [again] = (yield* server.open(A, 1)) as [number];
    stream.reuse(A);
    assert.equal(yield* server.call("sendto", again, memory, 5, 0, 0, 0), 5);
    assert.equal((yield* stream.read(A, 5)).toString(), "last ");
  });

  it("deliver what waits before an END, after both have ended", function* () {
    const { server, stream, a } = yield* makeWithTwo();
    const bytes = pattern(WINDOW);
    assert.equal(yield* server.call("shutdown", a, SHUT_WR), 0);
    yield* stream.until(() => stream.channel(A).hasEnded);
    yield* stream.sendData(A, bytes);
    stream.send(A, END);
    // The number is another's, and the bytes are still on their way.
    const [again] = (yield* server.open(A, 1)) as [number];
    assert.equal(yield* server.call(OP_RECV_ALL, a, server.memory, WINDOW), WINDOW);
    assert.equal(yield* server.call("recvfrom", a, server.memory, 1, 0, 0, 0), 0);
    assert.isTrue((yield* server.read(server.memory, WINDOW)).equals(bytes));
    stream.reuse(A);
    yield* stream.sendData(A, Buffer.from("x"));
    assert.equal(yield* server.call("recvfrom", again, server.memory, 9, 0, 0, 0), 1);
  });

  it("say nothing once they have ended, though bytes still wait", function* () {
    const server = yield* make();
    const { stream, hello } = server;
    // More than are looked after at a time.
    const ids = Array.from({ length: 80 }, (_, i) => 100 + i);
    const fds: Array<number> = [];
    while (fds.length < ids.length) fds.push(...(yield* server.open(100 + fds.length, 20)));
    for (const [i, fd] of fds.entries()) {
      // More than the socket takes.
      yield* stream.sendData(100 + i, Buffer.alloc(WINDOW / 2));
      stream.send(100 + i, END);
      assert.equal(yield* server.call("shutdown", fd, SHUT_WR), 0);
      yield* stream.until(() => stream.channel(100 + i).hasEnded);
    }
    const open = readdirSync(`/proc/${hello.pid}/fd`).length;
    const [first, last] = [Math.min(...fds), Math.max(...fds)];
    assert.isBelow(last, hello.dataFd);
    // All hang up at once, while the process is stopped.
    const stop = server.request("kill", stream.pid, SIG.STOP);
    const close = server.request("close_range", first, last, 0);
    yield* stream.sendData(SYSCALLS, Buffer.concat([stop, close]));
    const left = open - fds.length;
    yield* eventually(() => readdirSync(`/proc/${hello.pid}/fd`).length <= left);
    stream.kill("SIGCONT");
    assert.deepEqual([yield* server.result, yield* server.result], [0, 0]);
    assert.equal(yield* server.call("getpid"), hello.pid);
    assert.deepEqual(
      ids.filter((id) => stream.channel(id).closes > 0),
      [],
    );
  });

  it("close when their socket does, after what was in it", function* () {
    const { server, stream, a } = yield* makeWithTwo();
    const carried = descriptors(stream.pid).length;
    assert.equal(yield* server.call("sendto", a, server.memory, 100_000, 0, 0, 0), 100_000);
    assert.equal(yield* server.call("close", a), 0);
    yield* stream.read(A, 100_000);
    yield* stream.until(() => stream.channel(A).closes > 0);
    assert.isFalse(stream.channel(A).hasEnded);
    // It is forgotten; whatever crosses that is ignored.
    for (const type of [DATA, END, CLOSE, END, CLOSE])
      stream.send(A, type, type === DATA ? Buffer.from("late") : undefined);
    stream.send(A, CREDIT, u32(100_000));
    assert.equal(yield* server.call("getpid"), server.hello.pid);
    assert.equal(stream.channel(A).closes, 1);
    assert.equal(descriptors(stream.pid).length, carried - 1);
    stream.reuse(A);
    yield* server.open(A, 1);
  });

  it("close when the near side says so, after what it has sent", function* () {
    const { server, stream, a, b } = yield* makeWithTwo();
    const bytes = pattern(WINDOW);
    yield* stream.sendData(A, bytes);
    stream.send(A, CLOSE);
    yield* stream.until(() => stream.channel(A).closes === 1);
    // What is written to it does not get anywhere, as with any socket of which the other end has closed.
    const EPIPE = -32;
    const MSG_NOSIGNAL = 0x4000;
    assert.equal(yield* server.call("sendto", a, server.memory, 1, MSG_NOSIGNAL, 0, 0), EPIPE);
    stream.reuse(A);
    yield* server.open(A, 1);
    assert.equal(yield* server.call(OP_RECV_ALL, a, server.memory, WINDOW), WINDOW);
    assert.equal(yield* server.call("recvfrom", a, server.memory, 1, 0, 0, 0), 0);
    assert.isTrue((yield* server.read(server.memory, WINDOW)).equals(bytes));
    stream.send(B, CLOSE);
    assert.equal(yield* server.call("recvfrom", b, server.memory, 1, 0, 0, 0), 0);
    assert.equal(stream.channel(B).closes, 1);
  });

  it("close when nothing that is sent is read any more", function* () {
    const { server, stream, a } = yield* makeWithTwo();
    assert.equal(yield* server.call("sendto", a, server.memory, 100, 0, 0, 0), 100);
    assert.equal(yield* server.call("shutdown", a, SHUT_RD), 0);
    assert.equal(stream.channel(A).closes, 0);
    yield* stream.sendData(A, Buffer.from("nobody"));
    yield* stream.until(() => stream.channel(A).closes === 1);
    assert.equal(stream.channel(A).length, 100);
  });

  it("close when nothing that is sent is read, as soon as all has been said", function* () {
    const { server, stream, a } = yield* makeWithTwo();
    const channel = stream.channel(A);
    channel.gives = false;
    const sending = server.request(OP_SEND_ALL, a, server.memory, WINDOW + 100);
    yield* stream.sendData(SYSCALLS, sending);
    assert.equal(yield* server.result, WINDOW + 100);
    yield* stream.until(() => channel.length === WINDOW);
    assert.equal(yield* server.call("shutdown", a, SHUT_RD), 0);
    yield* stream.sendData(A, Buffer.from("nobody"));
    assert.equal(yield* server.call("getpid"), server.hello.pid);
    assert.equal(channel.closes, 0);
    // As much as there is, and nothing beyond by which its end would be noticed.
    stream.send(A, CREDIT, u32(100));
    yield* stream.until(() => channel.closes === 1);
    assert.equal(channel.length, WINDOW + 100);
  });

  it("give credit with nothing else to say", function* () {
    const { stream } = yield* makeWithTwo();
    yield* stream.sendData(A, Buffer.from("taken by the socket"));
    yield* stream.until(() => stream.channel(A).credit === WINDOW);
  });

  it("may end and be opened again all at once", function* () {
    const { server, stream, a } = yield* makeWithTwo();
    assert.equal(yield* server.call("shutdown", a, SHUT_WR), 0);
    yield* stream.until(() => stream.channel(A).hasEnded);
    // Credit for the first is owed, and will not be of interest.
    stream.sendRaw(
      Buffer.concat([
        frame(A, DATA, Buffer.from("first")),
        frame(A, END),
        frame(PASSING, OPEN, opened(A, 1)),
        frame(A, DATA, Buffer.from("second")),
      ]),
    );
    yield* stream.until(() => stream.channel(A).credit === WINDOW + 6);
    const [again] = (yield* server.take(1)) as [number];
    assert.equal(yield* server.call("recvfrom", a, server.memory, 100, 0, 0, 0), 5);
    assert.equal(yield* server.call("recvfrom", again, server.memory, 100, 0, 0, 0), 6);
  });

  it("answer an END and a CLOSE by one of these", function* () {
    const { server, stream, a } = yield* makeWithTwo();
    const both = (id: number) => Buffer.concat([frame(id, END), frame(id, CLOSE)]);
    assert.equal(yield* server.call("shutdown", a, SHUT_WR), 0);
    yield* stream.until(() => stream.channel(A).hasEnded);
    // The END has crossed.
    stream.sendRaw(Buffer.concat([both(A), frame(PASSING, OPEN, opened(A, 1)), both(B)]));
    const [again] = (yield* server.take(1)) as [number];
    yield* stream.until(() => stream.channel(B).closes === 1);
    assert.isFalse(stream.channel(B).hasEnded);
    assert.equal(yield* server.call("sendto", again, server.memory, 5, 0, 0, 0), 5);
    yield* stream.read(A, 5);
    assert.equal(stream.channel(A).closes, 0);
  });

  it("close once when both sides close them", function* () {
    const { server, stream, a } = yield* makeWithTwo();
    for (let round = 0; round < 20; round++) {
      const fd = round === 0 ? a : ((yield* server.open(A, 1)) as [number])[0];
      const close = frame(SYSCALLS, DATA, server.request("close", fd));
      stream.channel(SYSCALLS).credit -= 56;
      stream.sendRaw(Buffer.concat([close, frame(A, CLOSE)]));
      assert.equal(yield* server.result, 0);
      assert.equal(yield* server.call("getpid"), server.hello.pid);
      assert.equal(stream.channel(A).closes, 1);
      stream.reuse(A);
    }
  });

  it("close when what is sent cannot arrive", function* () {
    const { server, stream, a } = yield* makeWithTwo();
    // Of what the process has said before it closes its end, nothing is lost.
    assert.equal(yield* server.call("sendto", a, server.memory, 1000, 0, 0, 0), 1000);
    yield* stream.sendData(A, pattern(WINDOW));
    yield* stream.flushed;
    assert.equal(yield* server.call("close", a), 0);
    yield* stream.until(() => stream.channel(A).closes === 1);
    assert.equal(stream.channel(A).length, 1000);
  });

  it("there are more than a thousand of", function* () {
    const server = yield* make();
    const { stream, memory } = server;
    const limits = new Uint8Array(new BigUint64Array([4096n, 4096n]).buffer);
    yield* server.write(memory, limits);
    const limited = yield* server.call("prlimit64", 0, RLIMIT.NOFILE, memory, 0);
    assert.equal(limited, 0);
    const fds: Array<number> = [];
    while (fds.length < 1100) fds.push(...(yield* server.open(100 + fds.length, 20)));
    assert.equal(new Set(fds).size, 1100);
    for (const [i] of fds.entries()) yield* stream.sendData(100 + i, Buffer.from([i % 251]));
    for (const [i, fd] of fds.entries()) {
      assert.equal(yield* server.call("recvfrom", fd, memory + i, 1, 0, 0, 0), 1);
      assert.equal(yield* server.call("sendto", fd, memory + i, 1, 0, 0, 0), 1);
    }
    for (const [i] of fds.entries())
      assert.equal((yield* stream.read(100 + i, 1))[0], i % 251, `channel ${i}`);
  });

  it("close when there are no descriptors for them", function* () {
    const limited = ["/bin/sh", "-c", 'ulimit -n 40; exec "$0" command', taskPath];
    const server = yield* make(limited);
    const { stream } = server;
    const carried = descriptors(stream.pid).length;
    stream.send(PASSING, OPEN, opened(A, 32));
    assert.deepEqual(yield* server.take(32), [], "the message alone");
    for (let i = 0; i < 32; i++) yield* stream.until(() => stream.channel(A + i).closes === 1);
    assert.equal(descriptors(stream.pid).length, carried);
    for (let i = 0; i < 32; i++) stream.reuse(A + i);
    assert.equal((yield* server.open(A, 2)).length, 2);
    // Through a channel that is no more.
    stream.send(999, OPEN, opened(A + 2, 2));
    for (const id of [A + 2, A + 3]) yield* stream.until(() => stream.channel(id).closes === 1);
  });

  it("are opened in order, however many wait", function* () {
    const server = yield* make();
    const { stream } = server;
    const count = 400;
    for (let i = 0; i < count; i++) stream.send(PASSING, OPEN, opened(100 + i, 1));
    const seen = [];
    for (let i = 0; i < count; i++) seen.push(...(yield* server.take(1)));
    assert.equal(seen.length, count);
    yield* stream.sendData(100 + count - 1, Buffer.from("x"));
    const last = seen[count - 1] as number;
    assert.equal(yield* server.call("recvfrom", last, server.memory, 1, 0, 0, 0), 1);
  }, 60_000);

  it("are opened without descriptors for a message alone", function* () {
    const server = yield* make();
    server.stream.send(PASSING, OPEN, opened(A, 0));
    assert.deepEqual(yield* server.take(0), []);
  });

  it.skipIf(notRoot)("are opened with a message that goes in parts", function* () {
    const server = yield* make();
    const { stream, memory, hello } = server;
    yield* server.write(memory, u32(1));
    const pidfd = yield* server.call("pidfd_open", stream.pid, 0);
    // The smallest send buffers that there are, for the sockets of the channels.
    for (const fd of readdirSync(`/proc/${stream.pid}/fd`).map(Number)) {
      const link = readlinkSync(`/proc/${stream.pid}/fd/${fd}`);
      if (fd < 3 || !link.startsWith("socket:")) continue;
      const got = yield* server.call("pidfd_getfd", pidfd, fd, 0);
      assert.equal(yield* server.call("setsockopt", got, SOL.SOCKET, SO.SNDBUF, memory, 4), 0);
      assert.equal(yield* server.call("close", got), 0);
    }
    const bytes = pattern(2 * 4096);
    stream.send(PASSING, OPEN, opened(A, 1, bytes.subarray(0, 4096)));
    // Makes room for a part of the next.
    const receive = (at: number, length: number) =>
      server.call("recvfrom", hello.connectionFd, memory + at, length, MSG_DONTWAIT, 0, 0);
    assert.equal(yield* receive(0, 2240), 2240);
    stream.send(PASSING, OPEN, opened(B, 1, bytes.subarray(4096)));
    // Until the message has gone as a whole.
    let got = 2240;
    while (got < bytes.length) {
      const result = yield* receive(got, bytes.length - got);
      assert.isTrue(result > 0 || result === EAGAIN);
      if (result > 0) got += result;
    }
    assert.isTrue((yield* server.read(memory, bytes.length)).equals(bytes));
  });
});

describe("a stream that is not right", () => {
  const data = (length: number) => Buffer.alloc(length);
  const window = Buffer.concat(
    Array.from({ length: WINDOW / 65536 }, () => frame(A, DATA, data(65536))),
  );
  const streams: ReadonlyArray<[what: string, bytes: Uint8Array, message: RegExp]> = [
    ["has a frame without a type", frame(A, 0), /unknown frame/],
    ["has a frame of an unknown type", frame(A, 6, data(8)), /unknown frame/],
    ["has data of no bytes", frame(A, DATA), /unknown frame/],
    ["has too many bytes", frame(A, DATA, data(65537)), /unknown frame/],
    ["has the largest of sizes", u32(A, 0x01ffffff), /unknown frame/],
    ["has bytes in an end", frame(A, END, data(1)), /unknown frame/],
    ["has bytes in a close", frame(A, CLOSE, data(4)), /unknown frame/],
    ["has too short a credit", frame(A, CREDIT, data(3)), /unknown frame/],
    ["has too long a credit", frame(A, CREDIT, data(5)), /unknown frame/],
    ["gives too much credit", frame(A, CREDIT, u32(1)), /more credit/],
    ["gives far too much credit", frame(A, CREDIT, u32(0xffffffff)), /more credit/],
    [
      "sends more than was granted",
      Buffer.concat([window, frame(A, DATA, data(65536)), window]),
      /more data/,
    ],
    ["has data after an end", Buffer.concat([frame(A, END), frame(A, DATA, data(1))]), /after the/],
    ["has two ends", Buffer.concat([frame(A, END), frame(A, END)]), /ends twice/],
    ["opens without a message", frame(A, OPEN, opened(50, 1, "")), /unknown frame/],
    ["opens with a long message", frame(A, OPEN, opened(50, 1, data(4097))), /unknown frame/],
    ["opens too many channels", frame(A, OPEN, opened(50, 33)), /too many channels/],
    ["opens far too many", frame(A, OPEN, opened(50, 0xffffffff)), /too many channels/],
    ["opens a channel twice", frame(B, OPEN, opened(A, 1)), /opened twice/],
    ["opens a channel that was, among others", frame(B, OPEN, opened(9, 3)), /opened twice/],
    ["opens channels beyond the last number", frame(A, OPEN, opened(0xfffffff0, 32)), /too large/],
    [
      "opens after an end",
      Buffer.concat([frame(A, END), frame(A, OPEN, opened(50, 1))]),
      /behind data/,
    ],
    [
      "opens while data waits",
      Buffer.concat([window, frame(A, OPEN, opened(50, 1))]),
      /behind data/,
    ],
    [
      "opens more channels than there are",
      Buffer.concat(
        Array.from({ length: 600 }, (_, i) => frame(999, OPEN, opened(50 + 32 * i, 32))),
      ),
      /too many channels$/,
    ],
    [
      "has too many messages wait",
      Buffer.concat(Array.from({ length: 2000 }, () => frame(PASSING, OPEN, opened(50, 0)))),
      /too many messages/,
    ],
    [
      "opens and opens",
      Buffer.concat(Array.from({ length: 20_000 }, (_, i) => frame(999, OPEN, opened(i + 50, 32)))),
      /opened twice/,
    ],
  ];
  for (const [what, bytes, message] of streams)
    it(`ends when it ${what}`, function* () {
      const { server, stream } = yield* makeWithTwo();
      stream.sendRaw(bytes);
      const { status, stderr } = yield* stream.ended;
      assert.equal(status, 1, stderr);
      const [line] = stderr
        .split("\n")
        .filter((text) => !text.includes("the controller disconnected"));
      assert.match(line ?? "", /^rsyscall: the stream is broken: /);
      assert.match(line ?? "", message);
      yield* untilEnded(server.hello.pid);
    });

  it("ends when it is cut in the middle of a frame", function* () {
    for (const part of [frame(A, DATA, data(100)).subarray(0, 50), u32(A)]) {
      const { server, stream } = yield* makeWithTwo();
      stream.sendRaw(part);
      stream.endInput();
      const { status, stderr } = yield* stream.ended;
      assert.equal(status, 1);
      assert.match(stderr, /rsyscall: the stream is broken: it ended in the middle of a frame\n/);
      yield* untilEnded(server.hello.pid);
    }
  });

  it("ends when its command leads to no task, and tells no other", function* () {
    const stream = yield* Stream.start();
    stream.sendRaw(Buffer.from("SSH-2.0-OpenSSH_9.2p1\r\n"));
    assert.equal((yield* stream.ended).status, 1);
  });

  it("ends in order, whatever it has", function* () {
    // Frames that are right by themselves, in any order, on few channels.
    let state = 12345;
    const random = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    for (let round = 0; round < 150; round++) {
      const frames = Array.from({ length: 60 }, () => {
        const id = random(6);
        switch (random(round % 2 === 0 ? 5 : 9)) {
          case 0:
            return frame(id, CLOSE);
          case 1:
            return round % 3 === 0 ? frame(id, END) : frame(id, CLOSE);
          case 2:
            return frame(id, OPEN, opened(5 + random(1000), 1 + random(3), data(1 + random(4096))));
          case 3:
            return frame(id, CREDIT, u32(round % 5 === 0 ? random(WINDOW) : 0));
          default:
            return frame(random(2000), DATA, data(1 + random(65536)));
        }
      });
      const { server, stream } = yield* makeWithTwo();
      stream.sendRaw(Buffer.concat(frames));
      if (round % 4 === 0) yield* stream.flushed;
      stream.endInput();
      const { status, signal, stderr } = yield* stream.ended;
      assert.isNull(signal, `round ${round}`);
      assert.include([0, 1], status, stderr);
      yield* untilEnded(server.hello.pid);
    }
  }, 60_000);
});

/** A task on a Unix socket that Node has made, which is what its pipes are. */
const onSocket: Effect.Effect<
  { readonly socket: NodeSocket; readonly pid: number; readonly ended: Promise<number | null> },
  never,
  Scope.Scope
> = Effect.acquireRelease(
  Effect.sync(() => {
    // Of its own stdin Node would only keep the way there.
    const child = spawn("/bin/sh", ["-c", 'exec "$0" stdin <&3 3<&-', taskPath], {
      stdio: ["ignore", "ignore", "ignore", "pipe"],
    });
    const socket = child.stdio[3] as NodeSocket;
    socket.on("error", () => {});
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    return { child, socket, ended };
  }),
  ({ child, socket, ended }) =>
    Effect.promise(() => {
      child.kill("SIGKILL");
      socket.destroy();
      return ended;
    }),
).pipe(Effect.map(({ child, socket, ended }) => ({ socket, pid: child.pid as number, ended })));

describe("a task whose stdin is a socket", () => {
  it("says hello, and keeps stdin no longer", function* () {
    const { socket, pid } = yield* onSocket;
    const parts: Array<Buffer> = [];
    const arrived = (length: number) =>
      Effect.callback<Buffer>((resume) => {
        const look = () => {
          const all = Buffer.concat(parts);
          if (all.length < length) return;
          parts.splice(0, parts.length, all.subarray(length));
          resume(Effect.succeed(all.subarray(0, length)));
        };
        socket.on("data", look);
        look();
        return Effect.sync(() => void socket.off("data", look));
      });
    socket.on("data", (part) => parts.push(part));
    const hello = yield* readHello(arrived);
    assert.deepInclude(hello, { pid, ppid: process.pid });
    assert.deepEqual(notInherited(hello), [0, 1, 2]);
    assert.isAbove(Number(hello.arenaSize), 0);
    assert.equal(readlinkSync(`/proc/${pid}/fd/0`), "/dev/null");
  });

  it("is welcomed with descriptors, and serves", function* () {
    const local = yield* LocalThread;
    const [near, far] = yield* Socket.pair(local.task);
    const task = yield* local.spawn(Command.make(taskPath, "stdin"), { stdin: far });
    yield* far.close();
    const { bytes, fds } = yield* waitForMessage(near);
    assert.equal(Buffer.from(bytes).toString("latin1", 0, 8), "rsyscall");
    assert.equal(fds.length, 1, "the arena");
    const pairs = yield* Effect.all(Array.from({ length: 4 }, () => Socket.pair(local.task)));
    const theirs = pairs.map(([, end]) => end);
    yield* near.sendFds(WELCOME, theirs);
    yield* Effect.forEach(theirs, (end) => end.close());
    const [syscalls, , lifeline] = pairs.map(([end]) => end) as [Socket, Socket, Socket];
    yield* syscalls.writeAllBytes(request(x86_64, "getpid"));
    const result = yield* waitForMessage(syscalls);
    assert.equal(Buffer.from(result.bytes).readBigInt64LE(0), BigInt(task.pid));
    yield* lifeline.close();
    assert.equal((yield* task.wait()).exitStatus, 69);
  });

  const launched = Effect.gen(function* () {
    const local = yield* LocalThread;
    const [near, far] = yield* Socket.pair(local.task);
    const task = yield* local.spawn(Command.make(taskPath, "stdin"), { stdin: far });
    yield* far.close();
    yield* waitForMessage(near);
    /** Sends a welcome with the far ends of new channels, and gives our ends. */
    const welcome = (flags: number, channels: number) =>
      Effect.gen(function* () {
        const message = Buffer.from(WELCOME);
        message.writeUInt32LE(flags, 20);
        const pairs = yield* Effect.all(
          Array.from({ length: channels }, () => Socket.pair(local.task)),
        );
        const theirs = pairs.map(([, end]) => end);
        yield* near.sendFds(message, theirs);
        yield* Effect.forEach(theirs, (end) => end.close());
        return pairs.map(([end]) => end);
      });
    return { near, task, welcome };
  });

  it("keeps the connection as its lifeline, if it is told so", function* () {
    const { near, task, welcome } = yield* launched;
    const [syscalls] = (yield* welcome(KEEP, 2)) as [Socket];
    yield* syscalls.writeAllBytes(request(x86_64, "getpid"));
    const result = yield* waitForMessage(syscalls);
    assert.equal(Buffer.from(result.bytes).readBigInt64LE(0), BigInt(task.pid));
    yield* near.close();
    assert.equal((yield* task.wait()).exitStatus, 69);
  });

  for (const [what, flags, channels] of [
    ["too many descriptors for that", KEEP, 4],
    ["too few", KEEP, 1],
    ["a flag that it does not know", 4, 4],
  ] as const)
    it(`does not understand a welcome with ${what}`, function* () {
      const { task, welcome } = yield* launched;
      yield* welcome(flags, channels);
      assert.equal((yield* task.wait()).exitStatus, 69);
    });

  it("ends with the socket", function* () {
    const { socket, ended } = yield* onSocket;
    socket.destroy();
    assert.equal(yield* Effect.promise(() => ended), 69);
  });
});

const compiler = "aarch64-linux-gnu-gcc";
const emulator = "qemu-aarch64-static";
const stubC = fileURLToPath(new URL("../../stub-c", import.meta.url));

describe("a task on another machine", () => {
  it.skipIf(missing(compiler) ?? missing(emulator))("carries its calls", function* () {
    const directory = yield* tempDirectory;
    const built = yield* execute("make", [
      ...["-C", stubC, "ARCH=aarch64", `CC=${compiler}`, `OUT=${directory}`],
    ]);
    assert.equal(built.status, 0, built.stderr.toString());
    const task = `${directory}/rsyscall-task`;
    const version = yield* execute(emulator, [task, "--version"]);
    assert.equal(version.stdout.toString(), "rsyscall 1 aarch64\n");
    const stream = yield* Stream.start([emulator, task, "command"]);
    const server = yield* Server.welcome(stream, aarch64);
    assert.equal(server.hello.machine, aarch64.elfMachine);
    assert.equal(yield* server.call("getpid"), server.hello.pid);
    const bytes = pattern(WINDOW + 1);
    yield* server.write(server.memory, bytes);
    assert.isTrue((yield* server.read(server.memory, bytes.length)).equals(bytes));
    const [a] = (yield* server.open(A, 1)) as [number];
    assert.equal(yield* server.call("close", a), 0);
    yield* stream.until(() => stream.channel(A).closes === 1);
  });
});
