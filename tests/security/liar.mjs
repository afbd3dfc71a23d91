/* A client that speaks the stub's side of the protocol (docs/protocol.md) and lies: SOCKET. Reads the name of a
 * row of lies.mjs from each line of stdin, tells that lie until the controller hangs up, and prints the
 * name. */
import { readdirSync, readSync } from "node:fs";
import { abiOf } from "@rsyscall/abi";
import { readMemory, syscall, writeMemory } from "@rsyscall/native";
import { lies } from "./lies.mjs";

const abi = abiOf(process.arch === "arm64" ? 183 : 62);
const number = (name) => abi.syscallNumber(name);
const path = process.argv[2];

const HELLO_SIZE = 192;
const OPERATIONS = ["SEND_ALL", "RECV_ALL", "CLONE", "COPY", "EPOLL_WAIT"];
const OPERATION = 0x7fff0000;

/** The numbers that the liar claims for the four sockets of the welcome. */
const FDS = { syscall: 100, connection: 101, lifeline: 102, data: 103 };

/** No answer at all, in place of a number. */
export const SILENCE = Symbol("silence");

const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

const concat = (...parts) => new Uint8Array(Buffer.concat(parts));
const words = (...values) => {
  const bytes = Buffer.alloc(8 * values.length);
  for (const [i, value] of values.entries())
    bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), 8 * i);
  return new Uint8Array(bytes);
};
const ints = (...values) => new Uint8Array(new Int32Array(values).buffer);

const scratch = Number(syscall(number("mmap"), 0, 1 << 20, 3, 0x22, -1, 0));

/** A system call of this process: a negative errno when it failed. */
const kernel = (name, ...args) => syscall(number(name), ...args, ...Array(6 - args.length).fill(0));

/** Bytes where the kernel finds them: one after the other, until the next call of `place.clear`. */
let placed = scratch;
const place = (bytes) => {
  const at = placed;
  writeMemory(at, bytes);
  placed += Math.ceil(bytes.length / 16) * 16;
  return at;
};

const must = (result, what) => {
  if (result < 0) throw new Error(`${what}: errno ${-Number(result)}`);
  return Number(result);
};

/** sendmsg(2) of bytes with descriptors. */
const sendFds = (fd, bytes, fds, flags = 0) => {
  placed = scratch;
  const control = concat(words(16 + 4 * fds.length), ints(1, 1), ints(...fds));
  const iov = place(words(place(bytes), bytes.length));
  const rights = fds.length === 0 ? [0, 0] : [place(control), Math.ceil(control.length / 8) * 8];
  return kernel("sendmsg", fd, place(words(0, 0, iov, 1, ...rights, 0)), flags);
};

/** recvmsg(2): bytes, and the descriptors that came with them. */
const receiveFds = (fd, size) => {
  placed = scratch;
  const data = place(new Uint8Array(size));
  const control = place(new Uint8Array(64));
  const iov = place(words(data, size));
  const message = place(words(0, 0, iov, 1, control, 64, 0));
  const count = must(kernel("recvmsg", fd, message, 0), "recvmsg");
  const length = new DataView(readMemory(control, 8).buffer).getUint32(0, true);
  const fds = length < 16 ? [] : [...new Int32Array(readMemory(control + 16, length - 16).buffer)];
  return { bytes: readMemory(data, count), fds };
};

/** Reads exactly this many bytes; undefined at the end. */
const receive = (fd, size) => {
  const parts = [];
  for (let left = size; left > 0; ) {
    const count = Number(kernel("recvfrom", fd, scratch, Math.min(left, 1 << 20), 0, 0, 0));
    if (count <= 0) return undefined;
    parts.push(readMemory(scratch, count));
    left -= count;
  }
  return concat(...parts);
};

const send = (fd, bytes) => {
  for (let at = 0; at < bytes.length; ) {
    const part = bytes.subarray(at, at + (1 << 20));
    writeMemory(scratch, part);
    const count = Number(kernel("sendto", fd, scratch, part.length, 0x4000 /* NOSIGNAL */, 0, 0));
    if (count <= 0) return false;
    at += count;
  }
  return true;
};

/** The pid of the process that listens: SO_PEERCRED. */
const peerOf = (socket) => {
  placed = scratch;
  const at = place(concat(ints(0, 0, 0, 0), ints(12)));
  must(kernel("getsockopt", socket, 1, 17, at, at + 16), "getsockopt");
  return new Int32Array(readMemory(at, 4).buffer)[0];
};

/** A hello that says the name of the lie and what the controller is to do. */
const hello = (strings, change = () => {}) => {
  const argv = Buffer.from(strings.map((text) => `${text}\0`).join(""));
  const bytes = new Uint8Array(HELLO_SIZE + argv.length);
  bytes.set(Buffer.from("rsyscall"));
  bytes.set(argv, HELLO_SIZE);
  const view = new DataView(bytes.buffer);
  const u32 = (at, value) => view.setUint32(at, value, true);
  u32(8, 1);
  u32(12, process.arch === "arm64" ? 183 : 62);
  u32(16, HELLO_SIZE);
  u32(20, strings.length);
  u32(28, 0xffffffff);
  view.setBigUint64(32, BigInt(argv.length), true);
  u32(64, 4096);
  u32(68, process.pid);
  u32(84, FDS.syscall);
  u32(88, FDS.data);
  u32(92, FDS.connection);
  u32(96, FDS.lifeline);
  change(view);
  return bytes;
};

/** Performs a request as an honest stub would, and gives the kernel's result. */
const honest = (name, call, args) => {
  if (name === "RECV_ALL") {
    const bytes = receive(FDS.data, args[2]);
    if (bytes === undefined) return -32;
    writeMemory(args[1], bytes);
    return args[2];
  }
  if (name === "SEND_ALL") return send(FDS.data, readMemory(args[1], args[2])) ? args[2] : -32;
  if (name === "COPY") {
    writeMemory(args[0], readMemory(args[1], args[2]));
    return 0;
  }
  if (call >= OPERATION) return -38;
  return syscall(call, ...args);
};

/** Performs requests until the controller hangs up, or the lie is to be silent. */
const serve = (answers, tools) => {
  for (;;) {
    const request = receive(FDS.syscall, 56);
    if (request === undefined) return;
    const view = new DataView(request.buffer, request.byteOffset);
    const call = view.getUint32(0, true);
    const args = [0, 1, 2, 3, 4, 5].map((i) => {
      const word = view.getBigInt64(8 + 8 * i, true);
      return word >= -(2n ** 53n) && word < 2n ** 53n ? Number(word) : word;
    });
    const name = call >= OPERATION ? (OPERATIONS[call - OPERATION] ?? "") : abi.syscallName(call);
    const lie = answers[name]?.(args, tools);
    if (lie === SILENCE) return sleep(tools.silence);
    const answer = lie ?? honest(name, call, args);
    const bytes = answer instanceof Uint8Array ? answer : words(answer);
    if (!send(FDS.syscall, bytes)) return;
  }
};

/** Decodes the message of sendmsg(2) or recvmsg(2). */
const messageAt = (address) => {
  const view = new DataView(readMemory(address, 56).buffer);
  const word = (from, at) => Number(from.getBigUint64(at, true));
  const iov = new DataView(readMemory(word(view, 16), 16).buffer);
  return { data: word(iov, 0), control: word(view, 32), controlSize: word(view, 40) };
};

/** Writes a message as recvmsg(2) would: its bytes, and any control message. */
const fillMessage = (address, bytes, control, { size = control.length, flags = 0 } = {}) => {
  const message = messageAt(address);
  writeMemory(message.data, bytes);
  writeMemory(message.control, control.subarray(0, message.controlSize));
  writeMemory(address + 40, words(size, flags));
};

/** The open descriptors, without the one that lists them. */
const openFds = () =>
  readdirSync("/proc/self/fd")
    .map(Number)
    .filter((fd) => kernel("fcntl", fd, 1 /* F_GETFD */, 0) >= 0);

const tools = {
  SILENCE,
  FDS,
  /** Milliseconds after which a silent liar ends. */
  silence: 100,
  kernel,
  sendFds,
  send,
  receive,
  messageAt,
  fillMessage,
  concat,
  /** How descriptors lie in a control message. */
  rights: (...fds) => concat(words(16 + 4 * fds.length), ints(1, 1), ints(...fds)),
  words,
  ints,
  sleep,
  /** Puts bytes where the kernel finds them, for the next call. */
  place: (bytes) => {
    placed = scratch;
    return place(bytes);
  },
  openFds,
  readMemory,
  writeMemory,
};

const tell = (name) => {
  const { use = "nothing", hello: change, cut, split, lie, arena, behind } = lies[name];
  const before = openFds();
  const socket = must(kernel("socket", 1, 1, 0), "socket");
  placed = scratch;
  const address = concat(new Uint8Array(new Uint16Array([1]).buffer), Buffer.from(`${path}\0`));
  must(kernel("connect", socket, place(address), address.length), "connect");
  tools.controller = peerOf(socket);
  const bytes = hello(["liar", name, use], change);
  const fds = arena?.(tools) ?? [];
  must(sendFds(socket, bytes.subarray(0, cut ?? split), fds, 0x4000), "hello");
  // The controller shall be the last process that has them.
  for (const fd of new Set(fds)) if (behind !== undefined) kernel("close", fd);
  for (const fd of behind?.(tools) ?? []) {
    sendFds(socket, split === undefined ? Uint8Array.of(0) : bytes.subarray(split), [fd], 0x4000);
    kernel("close", fd);
  }
  if (cut !== undefined) sleep(tools.silence);
  else {
    const welcome = receiveFds(socket, 24);
    const order = [FDS.syscall, FDS.connection, FDS.lifeline, FDS.data];
    for (const [i, fd] of welcome.fds.entries()) kernel("dup3", fd, order[i], 0);
    for (const fd of [...welcome.fds, socket]) kernel("close", fd);
    if (welcome.fds.length > 0) serve(lie?.(tools) ?? {}, tools);
  }
  for (const fd of openFds()) if (!before.includes(fd)) kernel("close", fd);
};

const line = Buffer.alloc(4096);
for (;;) {
  const count = readSync(0, line);
  if (count === 0) break;
  const name = line.toString("utf8", 0, count).trim();
  tell(name);
  process.stdout.write(`${name}\n`);
}
