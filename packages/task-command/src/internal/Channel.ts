import { Errno, MSG } from "@rsyscall/abi";
import type { LocalCalls } from "@rsyscall/connection";
import { FileDescriptor, type Socket } from "@rsyscall/handle";
import { type Fd, isError } from "@rsyscall/near";
import { PAYLOAD_AT_MOST, WINDOW } from "@rsyscall/wire";
import { Exit } from "effect";
import { Backlog } from "./Backlog.ts";
import { ChannelEnd, type EndName } from "./ChannelEnd.ts";
import { SCRATCH_SIZE, type SocketCalls } from "./SocketCalls.ts";

/** The state of a channel: a socket pair, one end of which was given away. */
export class Channel {
  readonly id: number;
  /** The end that was not given away. */
  readonly socket: Socket;
  /** The number of bytes that may be sent. */
  credit = WINDOW;
  /** The number of bytes that may be received. */
  granted = WINDOW;
  /** The number of bytes that were received and written to the socket, but for which no credit was given yet. */
  writtenOn = 0;
  /** Whether the socket may be readable. */
  isReadable = false;
  /** Whether the channel waits for its turn. */
  isWaiting = false;
  /** Bytes for which the socket had no room. */
  readonly unwritten = new Backlog();
  /** Whether the other end of the socket is not read any more. */
  cannotWrite = false;
  /** Whether END was sent, or is about to be. */
  saidEnd = false;
  /** Whether END was received. */
  gotEnd = false;
  /** The number of bytes left to read from the socket; known once the other end writes no more. */
  left: number | undefined;
  /** Whether the last of these bytes must stay in the socket. */
  keepsLast = false;
  /** The other end. Undefined without /proc. */
  readonly end: EndName | undefined;
  /** Whether bytes are missing, and the other end must see an error. */
  isCut = false;

  #stopWatching: () => void = () => {};
  #onArrival: (() => void) | undefined;
  #hasArrived = false;

  private constructor(
    id: number,
    socket: Socket,
    given: ChannelEnd,
    onShutdown: (channel: Channel, fd: Fd) => void,
  ) {
    this.id = id;
    this.socket = socket;
    this.end = given.identify((fd) => onShutdown(this, fd));
  }

  /**
   * Makes a channel, which the caller must close, and the end to give away, which the caller owns; or gives `-errno`.
   * Plain code, because a Thread has several channels.
   *
   * @param onShutdown runs before the other end is shut down for writing; it gets a descriptor of that end
   */
  static make(
    calls: LocalCalls,
    id: number,
    onShutdown: (channel: Channel, fd: Fd) => void,
  ): readonly [given: Socket, channel: Channel] | number {
    const pair = calls.pair();
    if (typeof pair === "number") return pair;
    const [socket, far] = pair;
    const given = FileDescriptor.opened(ChannelEnd, calls.task, far);
    given.closeOnFork = true;
    calls.refuseFds(socket);
    calls.refuseFds(given);
    return [given, new Channel(id, socket, given, onShutdown)];
  }

  /** Says how to stop waiting for the socket, which is done before it closes. */
  isWatched(stop: () => void): void {
    this.#stopWatching = stop;
  }

  /** Calls back at the end of each turn of the event loop in which bytes were written to the socket. */
  onArrival(callback: () => void): void {
    this.#onArrival = callback;
  }

  #tellArrival(): void {
    if (this.#onArrival === undefined || this.#hasArrived) return;
    this.#hasArrived = true;
    queueMicrotask(() => {
      this.#hasArrived = false;
      this.#onArrival?.();
    });
  }

  /** Closes the socket. */
  close(): void {
    ChannelEnd.forget(this.end);
    this.#stopWatching();
    // This process closes its descriptors at once.
    FileDescriptor.releaseNow(this.socket, Exit.void);
  }

  get fd(): number {
    return this.socket.near;
  }

  /**
   * Reads from the socket for one turn. Returns the number of bytes, 0 at the end, or `-errno`. If the other end
   * writes no more, one byte stays in the socket.
   *
   * @param at offset of `PAYLOAD_AT_MOST` bytes
   */
  receive(calls: SocketCalls, at: number): number {
    const { left, keepsLast } = this;
    const most = Math.min(this.credit, PAYLOAD_AT_MOST);
    if (left === undefined) return calls.receive(this.fd, at, most);
    if (left === 0) return 0;
    const isLast = keepsLast && left === 1;
    const available = keepsLast && !isLast ? left - 1 : left;
    const flags = isLast ? MSG.PEEK : 0;
    const got = calls.receive(this.fd, at, Math.min(most, available), flags);
    if (got > 0) this.left = left - got;
    return got;
  }

  /** Writes received bytes, as many as the socket takes; the rest waits. Sets `cannotWrite`. */
  write(calls: SocketCalls, at: number, length: number): void {
    const sent = this.unwritten.length > 0 ? 0 : this.#writeNow(calls, at, length);
    if (sent < length && !this.cannotWrite)
      this.unwritten.push(calls.bytes.subarray(at + sent, at + length));
  }

  /** Writes bytes that wait for the socket. Sets `cannotWrite`. */
  writeOn(calls: SocketCalls): void {
    const at = calls.scratch;
    while (this.unwritten.length > 0) {
      const first = this.unwritten.first.subarray(0, SCRATCH_SIZE);
      calls.bytes.set(first, at);
      const sent = this.#writeNow(calls, at, first.length);
      if (this.cannotWrite) break;
      this.unwritten.drop(sent);
      if (sent < first.length) break;
    }
  }

  #writeNow(calls: SocketCalls, at: number, length: number): number {
    let done = 0;
    while (done < length) {
      const sent = calls.send(this.fd, at + done, length - done);
      if (sent === -Errno.EAGAIN) break;
      if (isError(sent)) {
        this.cannotWrite = true;
        this.unwritten.clear();
        break;
      }
      done += sent;
    }
    this.writtenOn += done;
    if (done > 0) this.#tellArrival();
    return done;
  }

  /**
   * Takes the credit that must be given now: for written bytes, once they are a quarter of a window. The far side can
   * send the rest of its window until then.
   */
  takeCredit(): number {
    const credit = this.writtenOn;
    if (credit < WINDOW / 4 || this.gotEnd) return 0;
    this.granted += credit;
    this.writtenOn = 0;
    return credit;
  }
}
