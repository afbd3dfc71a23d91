import { Int32, MSG, POLL, PollFd, SHUT, Timespec } from "@rsyscall/abi";
import type { MappedMemory } from "@rsyscall/connection";
import type { LocalSyscallInterface } from "@rsyscall/near";
import { PAYLOAD_AT_MOST } from "@rsyscall/wire";

/** The size of the memory for bytes that are copied to a socket, and for arguments of calls. */
export const SCRATCH_SIZE = PAYLOAD_AT_MOST;

/** ioctl_tty(2): the number of readable bytes. */
const FIONREAD = 0x541b;

/**
 * System calls of this process on its sockets, made synchronously and without an Effect. None of them waits. Buffers
 * are offsets in one piece of memory.
 */
export class SocketCalls {
  readonly #local: LocalSyscallInterface;
  readonly #address: number;
  readonly #sendto: number;
  readonly #recvfrom: number;
  /** The memory. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The offset of `SCRATCH_SIZE` bytes, which every call but `send` and `receive` overwrites. */
  readonly scratch: number;

  constructor(local: LocalSyscallInterface, memory: MappedMemory, scratch: number) {
    this.#local = local;
    this.#address = memory.address;
    this.#sendto = local.abi.syscallNumber("sendto") as number;
    this.#recvfrom = local.abi.syscallNumber("recvfrom") as number;
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.scratch = scratch;
  }

  /** send(2). Returns the number of bytes, or `-errno`. */
  send(fd: number, at: number, length: number): number {
    const flags = MSG.NOSIGNAL | MSG.DONTWAIT;
    return Number(this.#local.submit(this.#sendto, fd, this.#address + at, length, flags, 0, 0));
  }

  /** recv(2). Returns the number of bytes, or `-errno`. */
  receive(fd: number, at: number, length: number, flags = 0): number {
    const all = flags | MSG.DONTWAIT;
    return Number(this.#local.submit(this.#recvfrom, fd, this.#address + at, length, all, 0, 0));
  }

  /** shutdown(2) */
  shutdown(fd: number, how: number): void {
    this.#call("shutdown", fd, how);
  }

  /** Sends one byte without a meaning. */
  sendByte(fd: number): void {
    this.send(fd, this.scratch, 1);
  }

  /** Shuts a socket down for reading, and drops its unread bytes. */
  discard(fd: number): void {
    this.shutdown(fd, SHUT.RD);
    while (this.receive(fd, this.scratch, SCRATCH_SIZE) > 0);
  }

  /** Returns the number of readable bytes. */
  unread(fd: number): number {
    this.#call("ioctl", fd, FIONREAD, this.#address + this.scratch);
    return Int32.decode(this.bytes.subarray(this.scratch, this.scratch + Int32.size));
  }

  /** Whether the other end of a stream socket is closed in both directions. */
  hasHungUp(fd: number): boolean {
    const end = this.scratch + PollFd.size + Timespec.size;
    const bytes = this.bytes.subarray(this.scratch, end);
    bytes.fill(0);
    PollFd.encode({ fd, events: 0, revents: 0 }, bytes);
    const address = this.#address + this.scratch;
    const ready = this.#call("ppoll", address, 1, address + PollFd.size);
    return ready === 1 && (PollFd.decode(bytes).revents & (POLL.HUP | POLL.ERR)) !== 0;
  }

  #call(name: "ioctl" | "ppoll" | "shutdown", a: number, b: number, c = 0): number {
    const number = this.#local.abi.syscallNumber(name) as number;
    return Number(this.#local.submit(number, a, b, c, 0, 8, 0));
  }
}
