import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import {
  type Abi,
  cmsgSpace,
  decodeControl,
  Msghdr,
  type SyscallName,
  x86_64,
} from "@rsyscall/abi";
import { taskPath } from "@rsyscall/native";
import { Effect, type Scope } from "effect";
import { assert } from "vitest";

/*
 * The near side of `rsyscall-task command`, by hand, by Node's own means: docs/protocol.md.
 */

export const DATA = 1;
export const END = 2;
export const CREDIT = 3;
export const CLOSE = 4;
export const OPEN = 5;

/** Bytes that each side may send on a channel before it gets credit. */
export const WINDOW = 4 * 1024 * 1024;

export const OP_SEND_ALL = 0x7fff0000;
export const OP_RECV_ALL = 0x7fff0001;

const PAYLOAD_AT_MOST = 65536;
/** Bytes of the hello's beginning, which say how long its fixed part is. */
const PREFIX_SIZE = 20;

/** Encodes integers of 4 bytes. */
export const u32 = (...values: ReadonlyArray<number>): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, 4 * i);
  return bytes;
};

export const frame = (channel: number, type: number, payload: Uint8Array = new Uint8Array(0)) =>
  Buffer.concat([u32(channel, ((type << 24) | payload.length) >>> 0), payload]);

/** The payload of OPEN. */
export const opened = (first: number, count: number, message: string | Uint8Array = "four") =>
  Buffer.concat([u32(first, count), Buffer.from(message)]);

/** A welcome that accepts the peer, with calls over sockets. */
export const WELCOME = Buffer.concat([Buffer.from("rsyscall"), u32(1, 0, 0, 0)]);

/** The name of a system call, or the number of an operation. */
export type Request = SyscallName | number;

/** A request: struct rsyscall_request. */
export const request = (abi: Abi, name: Request, ...args: ReadonlyArray<number>): Buffer => {
  const bytes = Buffer.alloc(56);
  bytes.writeUInt32LE(typeof name === "number" ? name : (abi.syscalls[name] as number), 0);
  for (const [i, value] of args.entries()) bytes.writeBigInt64LE(BigInt(value), 8 + 8 * i);
  return bytes;
};

/** Bytes that tell where they are from, and do not repeat soon. */
export const pattern = (length: number, seed = 1): Buffer => {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed;
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = state;
  }
  return Buffer.from(words.buffer, 0, length);
};

/** One channel, as the near side sees it. */
export class Channel {
  /** What has come, and was not read. */
  readonly parts: Array<Buffer> = [];
  length = 0;
  hasEnded = false;
  closes = 0;
  /** Bytes that may be sent. */
  credit = WINDOW;
  /** Whether what comes is credited at once. */
  gives = true;
}

/** What a hello says: struct rsyscall_hello. */
export interface Hello {
  readonly version: number;
  readonly machine: number;
  readonly argv: ReadonlyArray<string>;
  readonly environment: ReadonlyArray<string>;
  readonly fds: ReadonlyArray<number>;
  readonly cwd: string;
  readonly pid: number;
  readonly ppid: number;
  readonly dataFd: number;
  readonly connectionFd: number;
  readonly arenaSize: bigint;
}

/** Reads a hello, by a function that gives the next so many bytes. */
export const readHello = <E>(
  read: (length: number) => Effect.Effect<Buffer, E>,
): Effect.Effect<Hello, E> =>
  Effect.gen(function* () {
    const prefix = yield* read(PREFIX_SIZE);
    const fixed = Buffer.concat([prefix, yield* read(prefix.readUInt32LE(16) - PREFIX_SIZE)]);
    assert.equal(fixed.toString("latin1", 0, 8), "rsyscall");
    const at = (offset: number) => fixed.readInt32LE(offset);
    const texts = (bytes: Buffer) => bytes.toString().split("\0").slice(0, -1);
    const argv = yield* read(Number(fixed.readBigUInt64LE(32)));
    const environment = yield* read(Number(fixed.readBigUInt64LE(40)));
    const cwd = yield* read(at(48));
    yield* read(at(52));
    const fds = yield* read(4 * at(28));
    return {
      version: at(8),
      machine: at(12),
      argv: texts(argv),
      environment: texts(environment),
      fds: Array.from({ length: at(28) }, (_, i) => fds.readInt32LE(4 * i)),
      cwd: cwd.toString(),
      pid: at(68),
      ppid: at(72),
      dataFd: at(88),
      connectionFd: at(92),
      arenaSize: fixed.readBigUInt64LE(184),
    };
  });

/** How the command at the other side of a stream has ended. */
export interface StreamEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** The stream to a task that a command leads to. */
export class Stream {
  readonly #child: Child;
  readonly #channels = new Map<number, Channel>();
  readonly #waiting = new Set<() => void>();
  #input: Buffer = Buffer.alloc(0);
  #stderr = "";
  #end: StreamEnd | undefined;
  /** Whether what was sent is known to be right, so that credit adds up. */
  #isRight = true;
  /** Channel and type of each frame, in the order of arrival. */
  readonly log: Array<readonly [channel: number, type: number]> = [];

  private constructor(child: Child) {
    this.#child = child;
    child.stdin.on("error", () => {});
    child.stdout.on("data", (bytes: Buffer) => this.#take(bytes));
    child.stderr.on("data", (bytes: Buffer) => {
      this.#stderr += bytes.toString();
    });
    child.on("close", (status, signal) => {
      this.#end = { status, signal, stderr: this.#stderr };
      this.#wake();
    });
  }

  /** Runs a command that is, or leads to, `rsyscall-task command`. */
  static start(
    command: ReadonlyArray<string> = [taskPath, "command"],
  ): Effect.Effect<Stream, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        const [program, ...args] = command as [string, ...Array<string>];
        return new Stream(spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] }));
      }),
      (stream) =>
        Effect.suspend(() => {
          stream.#child.stdout.resume();
          stream.#child.kill("SIGKILL");
          stream.#child.stdin.destroy();
          return Effect.ignore(stream.ended);
        }),
    );
  }

  /** The pid of the command. */
  get pid(): number {
    return this.#child.pid as number;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  #wake(): void {
    for (const look of [...this.#waiting]) look();
  }

  #take(bytes: Buffer): void {
    this.#input = this.#input.length === 0 ? bytes : Buffer.concat([this.#input, bytes]);
    let at = 0;
    while (this.#input.length - at >= 8) {
      const size = this.#input.readUInt32LE(at + 4) & 0xffffff;
      if (this.#input.length - at < 8 + size) break;
      this.#receive(
        this.#input.readUInt32LE(at),
        this.#input.readUInt8(at + 7),
        this.#input.subarray(at + 8, at + 8 + size),
      );
      at += 8 + size;
    }
    this.#input = this.#input.subarray(at);
    this.#wake();
  }

  #receive(id: number, type: number, payload: Buffer): void {
    this.log.push([id, type]);
    const channel = this.channel(id);
    switch (type) {
      case DATA:
        assert.isAtMost(payload.length, PAYLOAD_AT_MOST);
        assert.isAtLeast(payload.length, 1);
        channel.parts.push(payload);
        channel.length += payload.length;
        if (channel.gives) this.send(id, CREDIT, u32(payload.length));
        return;
      case END:
        channel.hasEnded = true;
        return;
      case CREDIT:
        channel.credit += payload.readUInt32LE(0);
        if (this.#isRight) assert.isAtMost(channel.credit, WINDOW);
        return;
      case CLOSE:
        channel.closes++;
        return;
      default:
        assert.fail(`a frame of type ${type}`);
    }
  }

  /** The channel of a number. `reuse` forgets a closed one. */
  channel(id: number): Channel {
    const known = this.#channels.get(id);
    if (known !== undefined) return known;
    const channel = new Channel();
    this.#channels.set(id, channel);
    return channel;
  }

  reuse(id: number): void {
    this.#channels.delete(id);
  }

  /** Waits until a condition holds; it is checked as frames come in. */
  until(wanted: () => boolean): Effect.Effect<void, StreamEnd> {
    return Effect.callback((resume) => {
      const look = () => {
        if (wanted()) resume(Effect.void);
        else if (this.#end !== undefined) resume(Effect.fail(this.#end));
        else return;
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
      look();
      return Effect.sync(() => void this.#waiting.delete(look));
    });
  }

  /** Sends a frame of any kind. */
  send(channel: number, type: number, payload?: Uint8Array): void {
    this.#child.stdin.write(frame(channel, type, payload));
  }

  sendRaw(bytes: Uint8Array): void {
    this.#isRight = false;
    this.#child.stdin.write(bytes);
  }

  /** Waits until all that was sent has been read. */
  get flushed(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      this.#child.stdin.write("", () => resume(Effect.void));
    });
  }

  endInput(): void {
    this.#child.stdin.end();
  }

  /** Stops reading until `resume`. */
  pause(): void {
    this.#child.stdout.pause();
  }

  resume(): void {
    this.#child.stdout.resume();
  }

  /** Sends bytes as DATA, within the credit of the channel. */
  sendData(id: number, bytes: Uint8Array): Effect.Effect<void, StreamEnd> {
    const channel = this.channel(id);
    const stream = this;
    return Effect.gen(function* () {
      for (let at = 0; at < bytes.length; ) {
        yield* stream.until(() => channel.credit > 0);
        const size = Math.min(bytes.length - at, channel.credit, PAYLOAD_AT_MOST);
        channel.credit -= size;
        stream.send(id, DATA, bytes.subarray(at, at + size));
        at += size;
      }
    });
  }

  /** Reads exactly this many bytes of a channel. */
  read(id: number, length: number): Effect.Effect<Buffer, StreamEnd> {
    const channel = this.channel(id);
    return Effect.map(
      this.until(() => channel.length >= length),
      () => {
        const all = Buffer.concat(channel.parts);
        channel.parts.splice(0, channel.parts.length, all.subarray(length));
        channel.length -= length;
        return all.subarray(0, length);
      },
    );
  }

  /** Waits until the command has ended. */
  get ended(): Effect.Effect<StreamEnd> {
    return Effect.flip(this.until(() => false)) as Effect.Effect<StreamEnd>;
  }
}

/** Numbers of the channels that the welcome opens. */
export const SYSCALLS = 1;
export const PASSING = 2;
export const LIFELINE = 3;
export const MEMORY = 4;

/** The server process at the far end of a stream, which performs calls. */
export class Server {
  readonly stream: Stream;
  readonly hello: Hello;
  /** An address in the process that tests may use. */
  memory = 0;
  /** An address in the process that this class uses. */
  #own = 0;

  readonly #abi: Abi;

  private constructor(stream: Stream, hello: Hello, abi: Abi) {
    this.stream = stream;
    this.hello = hello;
    this.#abi = abi;
  }

  /** Reads the hello on channel 0, and sends the welcome. */
  static welcome(stream: Stream, abi: Abi = x86_64): Effect.Effect<Server, StreamEnd> {
    return Effect.gen(function* () {
      const hello = yield* readHello((length) => stream.read(0, length));
      stream.send(0, OPEN, opened(SYSCALLS, 4, WELCOME));
      const server = new Server(stream, hello, abi);
      server.#own = yield* server.call("mmap", 0, 8 * WINDOW, 3, 0x22, -1, 0);
      assert.isAbove(server.#own, 0);
      server.memory = server.#own + 4096;
      return server;
    });
  }

  /** Encodes a request to this process. */
  request(name: Request, ...args: ReadonlyArray<number>): Buffer {
    return request(this.#abi, name, ...args);
  }

  call(name: Request, ...args: ReadonlyArray<number>): Effect.Effect<number, StreamEnd> {
    return Effect.andThen(this.stream.sendData(SYSCALLS, this.request(name, ...args)), this.result);
  }

  get result(): Effect.Effect<number, StreamEnd> {
    return Effect.map(this.stream.read(SYSCALLS, 8), (bytes) => Number(bytes.readBigInt64LE(0)));
  }

  /** Writes to the process's memory. */
  write(address: number, bytes: Uint8Array): Effect.Effect<void, StreamEnd> {
    const server = this;
    return Effect.gen(function* () {
      const { dataFd } = server.hello;
      const request = server.request(OP_RECV_ALL, dataFd, address, bytes.length);
      yield* server.stream.sendData(SYSCALLS, request);
      yield* server.stream.sendData(MEMORY, bytes);
      assert.equal(yield* server.result, bytes.length);
    });
  }

  /** Reads the process's memory. */
  read(address: number, length: number): Effect.Effect<Buffer, StreamEnd> {
    const server = this;
    return Effect.gen(function* () {
      const { dataFd } = server.hello;
      assert.equal(yield* server.call(OP_SEND_ALL, dataFd, address, length), length);
      return yield* server.stream.read(MEMORY, length);
    });
  }

  /** Opens channels, numbered from `first`, and gives their descriptors in the process. */
  open(first: number, count: number): Effect.Effect<ReadonlyArray<number>, StreamEnd> {
    this.stream.send(PASSING, OPEN, opened(first, count));
    return this.take(count);
  }

  /** Receives a message and the descriptors that come with it. */
  take(count: number): Effect.Effect<ReadonlyArray<number>, StreamEnd> {
    const server = this;
    return Effect.gen(function* () {
      const memory = server.#own;
      const controlLength = cmsgSpace(4 * count);
      const header = new Uint8Array(Msghdr.size + 16);
      const [iov, control, data] = [memory + Msghdr.size, memory + 256, memory + 128];
      const fields = {
        name: 0,
        nameLength: 0,
        iov,
        iovLength: 1,
        control,
        controlLength,
        flags: 0,
      };
      Msghdr.encode(fields, header);
      const view = new DataView(header.buffer);
      view.setBigUint64(Msghdr.size, BigInt(data), true);
      view.setBigUint64(Msghdr.size + 8, 4n, true);
      yield* server.write(memory, header);
      assert.equal(yield* server.call("recvmsg", server.hello.connectionFd, memory, 0), 4);
      const after = Msghdr.decode(yield* server.read(memory, Msghdr.size));
      const received = yield* server.read(control, controlLength);
      const rights = decodeControl(received.subarray(0, Number(after.controlLength)));
      return rights.flatMap(({ data: fds }) =>
        Array.from({ length: fds.length / 4 }, (_, i) => Buffer.from(fds).readInt32LE(4 * i)),
      );
    });
  }
}
