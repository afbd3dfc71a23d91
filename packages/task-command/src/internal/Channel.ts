import { Errno, MSG } from "@rsyscall/abi";
import { type HandleFailure, Socket, type Task } from "@rsyscall/handle";
import { type Fd, isError } from "@rsyscall/near";
import { PAYLOAD_AT_MOST, WINDOW } from "@rsyscall/wire";
import { Effect, Scope } from "effect";
import { Backlog } from "./Backlog.ts";
import { ChannelEnd, type EndName } from "./ChannelEnd.ts";
import { SCRATCH_SIZE, type SocketCalls } from "./SocketCalls.ts";

/** One end of a socket pair, whose other end was given away, and what is known of the channel behind it. */
export class Channel {
  readonly id: number;
  /** The end that was not given away. */
  readonly socket: Socket;
  /** Closes it. */
  readonly scope: Scope.Closeable;
  /** Bytes that may go out. */
  credit = WINDOW;
  /** Bytes that may come in. */
  granted = WINDOW;
  /** Bytes that came in and were written to the socket, and for which no credit was given yet. */
  writtenOn = 0;
  /** Its socket may have something to be read. */
  isReadable = false;
  /** It is among those that wait for their turn. */
  isWaiting = false;
  /** What its socket had no room for. */
  readonly unwritten = new Backlog();
  /** The other end of its socket is read no more. */
  cannotWrite = false;
  /** We have sent END, or are about to. */
  saidEnd = false;
  /** END has come. */
  gotEnd = false;
  /** Bytes that are left to be read of its socket, once that is known: the other end writes no more. */
  left: number | undefined;
  /** The last of them stays in the socket when it has been read. */
  keepsLast = false;
  /** The other end. Undefined where there is no /proc. */
  readonly end: EndName | undefined;
  /** Not all has come, and the other end is to be told so. */
  isCut = false;

  private constructor(
    id: number,
    socket: Socket,
    scope: Scope.Closeable,
    given: ChannelEnd,
    onShutdown: (channel: Channel, fd: Fd) => void,
  ) {
    this.id = id;
    this.socket = socket;
    this.scope = scope;
    this.end = given.identify((fd) => onShutdown(this, fd));
  }

  /**
   * A channel, whose scope is to be closed, and the end to give away, which is the caller's.
   *
   * @param onShutdown runs before the other end is shut down for writing, by a number of that
   */
  static make(
    task: Task,
    id: number,
    onShutdown: (channel: Channel, fd: Fd) => void,
  ): Effect.Effect<readonly [given: Socket, channel: Channel], HandleFailure, Scope.Scope> {
    return Effect.uninterruptible(
      Effect.gen(function* () {
        const own = yield* Scope.make();
        const [first, socket] = yield* Scope.provide(Socket.pair(task), own);
        first.closeOnFork = socket.closeOnFork = true;
        yield* first.refuseFds();
        yield* socket.refuseFds();
        const given = yield* first.reclassify(ChannelEnd);
        const channel = new Channel(id, socket, own, given, onShutdown);
        yield* Scope.addFinalizer(
          own,
          Effect.sync(() => ChannelEnd.forget(channel.end)),
        );
        return [given, channel] as const;
      }),
    );
  }

  get fd(): number {
    return this.socket.near;
  }

  /**
   * Reads a turn of its socket: how many bytes, 0 at the end, or `-errno`. If the other end writes no more, one byte
   * stays in the socket.
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

  /** Writes bytes that came in, as many as its socket takes; the rest waits. See `cannotWrite` after it. */
  write(calls: SocketCalls, at: number, length: number): void {
    const sent = this.unwritten.length > 0 ? 0 : this.#writeNow(calls, at, length);
    if (sent < length && !this.cannotWrite)
      this.unwritten.push(calls.bytes.subarray(at + sent, at + length));
  }

  /** Writes what has waited for its socket. See `cannotWrite` after it. */
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
    return done;
  }

  /**
   * Credit that is to be given now: for bytes that were written, when they are many. What the far side has left to
   * send until then is the other half of its window.
   */
  takeCredit(): number {
    const credit = this.writtenOn;
    if (credit < WINDOW / 2 || this.gotEnd) return 0;
    this.granted += credit;
    this.writtenOn = 0;
    return credit;
  }
}
