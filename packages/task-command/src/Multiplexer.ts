import { EPOLL, Errno, Int32, MSG, POLL, PollFd, SHUT, Timespec } from "@rsyscall/abi";
import { type MappedMemory, ownMemory } from "@rsyscall/connection";
import type { Epoller } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import { type Fd, isError, LocalSyscallInterface, oneLine, SyscallError } from "@rsyscall/near";
import { Deferred, Effect, Exit, Scope } from "effect";
import { StreamError } from "./errors.ts";
import {
  CHANNELS_AT_MOST,
  FRAME,
  frameOf,
  HEADER_SIZE,
  MESSAGE_AT_MOST,
  PAYLOAD_AT_MOST,
  putHeader,
  WINDOW,
  whatIsWrong,
} from "./frames.ts";
import { Channel } from "./internal/Channel.ts";
import { type EndName, findNumbers, numberOf } from "./internal/ChannelEnd.ts";
import { Numbers } from "./internal/Numbers.ts";

/** A few turns of channels, and what is to be said besides. */
const OUT_SIZE = 4 * (HEADER_SIZE + PAYLOAD_AT_MOST) + 16 * 1024;
/** A socket has room for so much, mostly: then nothing has to wait for it here. */
const IN_SIZE = 128 * 1024;
/** For what has waited for its socket, and for a poll. */
const SCRATCH_SIZE = PAYLOAD_AT_MOST;

/**
 * Channels that there may be. The far side ends the stream at twice as many; there those count too of which
 * only the last bytes have to be written on.
 */
const CHANNELS = 8192;

/** How often the buffer is filled, or read into, before others get their turn. */
const ROUNDS = 16;

/** ioctl_tty(2): how many bytes are there to be read. */
const FIONREAD = 0x541b;

/**
 * The near side of a multiplexed stream: channels to sockets at the far side, each of them a socket here. Its
 * bytes are read and written in the event loop of this process, without a fiber; back-pressure goes through
 * in both directions.
 */
export class Multiplexer {
  #first: Socket | undefined;
  readonly #stream: Socket;
  readonly #epoller: Epoller;
  readonly #local: LocalSyscallInterface;
  readonly #memory: MappedMemory;
  readonly #view: DataView;
  readonly #sendto: number;
  readonly #recvfrom: number;
  readonly #channels = new Map<number, Channel>();
  /** Channels that the far side has closed, and of which something is to be written on. */
  readonly #lingering = new Set<Channel>();
  /** Those that we have closed, until the far side answers, and whether we had said END before. */
  readonly #closing = new Map<number, boolean>();
  /** Channels by the ends that are not ours. */
  readonly #byEnd = new WeakMap<Socket, Channel>();
  readonly #numbers = new Numbers((id) => this.#channels.has(id) || this.#closing.has(id));
  /** Channels that have something to be read, and may send it. They take turns. */
  #turns: Array<Channel> = [];
  /** What goes out before anything else. */
  #control: Array<Uint8Array> = [];
  #outStart = 0;
  #outEnd = 0;
  /** Why nothing goes out any more. */
  #sendError = 0;
  /** Bytes of a frame that has not come whole. */
  #carried = 0;
  /** What is missing of a frame of DATA, and whose it is. */
  #dataLeft = 0;
  #dataChannel: Channel | undefined;
  #isScheduled = false;
  /** It will go on in the next turn of the event loop. */
  #isYielding = false;
  readonly #ended = Deferred.makeUnsafe<never, StreamError>();
  #hasEnded = false;
  #bytesIn = 0;
  #bytesOut = 0;

  private constructor(
    stream: Socket,
    epoller: Epoller,
    local: LocalSyscallInterface,
    memory: MappedMemory,
  ) {
    this.#stream = stream;
    this.#epoller = epoller;
    this.#local = local;
    this.#memory = memory;
    this.#view = new DataView(memory.buffer);
    this.#sendto = local.abi.syscallNumber("sendto") as number;
    this.#recvfrom = local.abi.syscallNumber("recvfrom") as number;
  }

  /**
   * Begins, with one channel. The scope ends it, and all channels at once.
   *
   * @param stream a socket of this process to the far side's stdin and stdout
   */
  static make(
    stream: Socket,
    epoller: Epoller,
  ): Effect.Effect<Multiplexer, HandleFailure, Scope.Scope> {
    return Effect.gen(function* () {
      const { task } = stream;
      const local = LocalSyscallInterface.of(task.sysif);
      if (local === undefined)
        return yield* Effect.die(new TypeError("streams are multiplexed in this process"));
      const size = OUT_SIZE + IN_SIZE + SCRATCH_SIZE;
      const { address } = yield* Effect.acquireRelease(
        task.allocator.malloc(size, 8),
        (allocation) => allocation.free,
      );
      const memory = yield* ownMemory.map(address, size);
      const multiplexer = new Multiplexer(stream, epoller, local, memory);
      multiplexer.#first = yield* multiplexer.#make(0);
      // The channels are cut before their sockets close, so these belong to no scope but their own.
      const close = Effect.sync(() => multiplexer.#close());
      yield* Effect.onError(
        epoller.watch(
          stream,
          (hasEnded) =>
            hasEnded
              ? multiplexer.#end(new StreamError({ problem: "the event loop has ended" }))
              : multiplexer.#onStream(),
          EPOLL.IN | EPOLL.OUT,
        ),
        () => close,
      );
      yield* Effect.addFinalizer(() => close);
      return multiplexer;
    }).pipe(Effect.uninterruptible);
  }

  /** Our end of the channel that is there from the beginning. It blocks. */
  get first(): Socket {
    return this.#first as Socket;
  }

  /** Fails when the stream has ended, and with it all channels. */
  get ended(): Effect.Effect<never, StreamError> {
    return Deferred.await(this.#ended);
  }

  /**
   * Whether a channel was there when the stream ended: then it cannot be known what the far side would have said.
   *
   * @param end our end of the channel
   */
  isCut(end: Socket): boolean {
    return this.#byEnd.get(end)?.isCut ?? false;
  }

  /** Bytes that the stream has carried in each direction so far, frames and all, and channels there are. */
  get stats(): { readonly bytesIn: number; readonly bytesOut: number; readonly channels: number } {
    return {
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      channels: this.#channels.size,
    };
  }

  /**
   * Opens channels, and has the far side send their far ends with a message through the channel of another.
   * Does not wait: whatever follows on the stream comes after it.
   *
   * EBUSY if the far side has not yet written on all that was sent through that channel; EPIPE if it has
   * ended; EINVAL for more than 32 channels, or a message that has not 1 to 4,096 bytes; EMFILE where there are
   * too many. A far side that has no more descriptors closes them, and sends the message alone.
   *
   * @param through our end of that channel
   * @returns our ends, which block
   */
  open(
    through: Socket,
    count: number,
    message: Uint8Array,
  ): Effect.Effect<ReadonlyArray<Socket>, HandleFailure, Scope.Scope> {
    return Effect.suspend(() => {
      const errno = this.#whyNot(through, count, message.length);
      if (errno !== undefined)
        return Effect.fail(SyscallError.of("sendmsg", errno, `fd ${through.near}`));
      const id = (this.#byEnd.get(through) as Channel).id;
      const first = this.#numbers.take(count);
      const make = Effect.gen({ self: this }, function* () {
        const ends: Array<Socket> = [];
        for (let i = 0; i < count; i++) ends.push(yield* this.#make(first + i));
        this.#control.push(frameOf(id, FRAME.OPEN, [first, count], message));
        this.#schedule();
        return ends;
      });
      // The far side has not heard of them.
      const undo = Effect.sync(() => {
        for (let i = 0; i < count; i++) {
          const channel = this.#channels.get(first + i);
          if (channel !== undefined) this.#drop(channel);
        }
      });
      return Effect.uninterruptible(Effect.onError(make, () => undo));
    });
  }

  #whyNot(through: Socket, count: number, length: number) {
    const id = this.#byEnd.get(through)?.id;
    const isCount = Number.isInteger(count) && count >= 0 && count <= CHANNELS_AT_MOST;
    if (id === undefined || !isCount || length < 1 || length > MESSAGE_AT_MOST) return "EINVAL";
    const channel = this.#channels.get(id);
    if (channel === undefined || channel.saidEnd) return "EPIPE";
    if (channel.credit < WINDOW) return "EBUSY";
    return this.#channels.size + this.#closing.size + count > CHANNELS ? "EMFILE" : undefined;
  }

  /** A channel, and its end to give away. */
  #make(id: number): Effect.Effect<Socket, HandleFailure, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const onShutdown = (channel: Channel, fd: Fd) => this.#onShutdown(channel, fd);
      const [end, channel] = yield* Channel.make(this.#stream.task, id, onShutdown);
      yield* Effect.onError(this.#add(channel), () => Effect.sync(() => this.#drop(channel)));
      this.#byEnd.set(end, channel);
      return end;
    });
  }

  #add(channel: Channel): Effect.Effect<void, HandleFailure> {
    this.#channels.set(channel.id, channel);
    return Scope.provide(
      this.#epoller.watch(
        channel.socket,
        (hasEnded) => {
          if (!hasEnded) this.#onChannel(channel);
        },
        EPOLL.IN | EPOLL.OUT,
      ),
      channel.scope,
    );
  }

  /**
   * Ends everything. Those at the other ends of the sockets get first what came for them, and then ECONNRESET,
   * unless the far side had said that there is no more.
   */
  #end(error: StreamError): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#control = [];
    this.#turns = [];
    this.#closing.clear();
    const channels = [...this.#channels.values()];
    this.#cut(channels.filter(({ gotEnd }) => !gotEnd));
    for (const channel of channels) this.#dropWhenWritten(channel);
    Deferred.doneUnsafe(this.#ended, Effect.fail(error));
  }

  /**
   * Makes it that the other ends of channels get ECONNRESET when ours close, and not the end of the stream, which
   * would tell that all has come. This is so when there is something in our sockets that was not read; and what is
   * at their other ends is held by this process, mostly. See unix(7), and `onShutdown` for those that write no more.
   */
  #cut(channels: ReadonlyArray<Channel>): void {
    const moved: Array<EndName> = [];
    for (const channel of channels) {
      channel.isCut = true;
      if (!this.#plantAt(channel.end) && channel.end !== undefined) moved.push(channel.end);
    }
    if (moved.length > 0) for (const fd of findNumbers(moved)) this.#plant(fd);
  }

  /** Whether the other end has the number that it had at first: then it can be reset. */
  #plantAt(end: EndName | undefined): boolean {
    const fd = end === undefined ? undefined : numberOf(end);
    if (fd === undefined) return false;
    this.#plant(fd);
    return true;
  }

  /** Writes a byte that is never read to the other end of a channel. No room for it means that there are others. */
  #plant(fd: number): void {
    this.#send(fd, this.#memory.address + OUT_SIZE + IN_SIZE, 1);
  }

  /**
   * The other end of a channel will be shut down for writing, after which nothing can be written there. So that it
   * can be reset nevertheless, one byte stays in our socket from now on.
   */
  #onShutdown(channel: Channel, fd: Fd): void {
    if (channel.left !== undefined || this.#channels.get(channel.id) !== channel) return;
    const left = this.#unread(channel);
    channel.left = left;
    channel.keepsLast = left > 0;
    if (left === 0) this.#plant(fd);
  }

  /** Ends everything, and what waits to be written on is lost. */
  #close(): void {
    this.#end(new StreamError({ problem: "its scope has closed" }));
    for (const channel of this.#lingering) {
      channel.isCut = true;
      this.#drop(channel);
    }
  }

  /** The far side is told by the end of the stream, and does not go on. */
  #broken(why: string): void {
    this.#call("shutdown", this.#stream.near, SHUT.RDWR);
    this.#end(new StreamError({ problem: `the stream is broken: ${why}`, isBroken: true }));
  }

  // ---- What happens ----

  #onStream(): void {
    if (this.#hasEnded) return;
    this.#receive();
    this.#pump();
  }

  #onChannel(channel: Channel): void {
    if (channel.unwritten.length > 0) this.#write(channel);
    if (this.#channels.get(channel.id) !== channel) return;
    if (channel.saidEnd) {
      if (this.#hasHungUp(channel)) this.#closeChannel(channel);
      return;
    }
    channel.isReadable = true;
    this.#awaitTurn(channel);
  }

  /** What others submit in this turn of the event loop goes out in the same write. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  #awaitTurn(channel: Channel): void {
    if (channel.isWaiting || !channel.isReadable || channel.credit === 0) return;
    channel.isWaiting = true;
    this.#turns.push(channel);
    this.#schedule();
  }

  // ---- Out ----

  /** Sends what there is to be sent, until the stream takes no more. */
  #pump(): void {
    if (this.#sendError !== 0) return;
    for (let round = 0; !this.#hasEnded && this.#flush(); round++) {
      if (round === ROUNDS) {
        this.#goOnLater();
        return;
      }
      this.#putControl();
      while (this.#control.length === 0 && this.#turns.length > 0 && this.#hasRoom(PAYLOAD_AT_MOST))
        this.#read(this.#turns.shift() as Channel);
      if (this.#outEnd === 0 && this.#control.length === 0) return;
    }
  }

  #hasRoom(size: number): boolean {
    // An END or a CLOSE may have to follow.
    return this.#outEnd + 2 * HEADER_SIZE + size <= OUT_SIZE;
  }

  #putControl(): void {
    let count = 0;
    for (const frame of this.#control) {
      if (!this.#hasRoom(frame.length)) break;
      new Uint8Array(this.#memory.buffer).set(frame, this.#outEnd);
      this.#outEnd += frame.length;
      count++;
    }
    this.#control.splice(0, count);
  }

  /** Sends what is in the buffer. Whether all of it went out. */
  #flush(): boolean {
    while (this.#outStart < this.#outEnd) {
      const sent = this.#send(
        this.#stream.near,
        this.#memory.address + this.#outStart,
        this.#outEnd - this.#outStart,
      );
      if (sent === -Errno.EAGAIN) return false;
      if (isError(sent)) {
        // The far side has gone, and what it had to say before may not all have been read.
        this.#sendError = sent;
        this.#receive();
        return false;
      }
      this.#outStart += sent;
      this.#bytesOut += sent;
    }
    this.#outStart = this.#outEnd = 0;
    return true;
  }

  #fail(syscall: string, result: number): void {
    const cause = SyscallError.from(syscall, result, "the stream");
    this.#end(new StreamError({ problem: cause.message, cause }));
  }

  /** A channel's turn: a frame of what it has to say. */
  #read(channel: Channel): void {
    channel.isWaiting = false;
    if (this.#channels.get(channel.id) !== channel) return;
    const got = this.#receiveOf(channel, this.#memory.address + this.#outEnd + HEADER_SIZE);
    if (got === -Errno.EAGAIN) {
      channel.isReadable = false;
      // All that it had to say has been said by now.
      if (channel.cannotWrite) this.#closeChannel(channel);
    } else if (isError(got)) this.#closeChannel(channel);
    else if (got === 0) {
      if (channel.cannotWrite || (!channel.gotEnd && this.#hasHungUp(channel)))
        this.#closeChannel(channel);
      else {
        channel.saidEnd = true;
        // Credit for what it has said may still come.
        channel.isReadable = false;
        this.#control.push(frameOf(channel.id, FRAME.END));
        this.#dropIfDone(channel);
      }
    } else {
      putHeader(this.#view, this.#outEnd, channel.id, FRAME.DATA, got);
      this.#outEnd += HEADER_SIZE + got;
      channel.credit -= got;
      this.#awaitTurn(channel);
    }
  }

  /** Reads a turn of a channel's socket. If its other end writes no more, one byte stays there. */
  #receiveOf(channel: Channel, address: number): number {
    const { left, keepsLast } = channel;
    const most = Math.min(channel.credit, PAYLOAD_AT_MOST);
    if (left === undefined) return this.#receiveFrom(channel.fd, address, most);
    if (left === 0) return 0;
    const isLast = keepsLast && left === 1;
    const got = this.#receiveFrom(
      channel.fd,
      address,
      Math.min(most, keepsLast && !isLast ? left - 1 : left),
      isLast ? MSG.PEEK : 0,
    );
    if (got > 0) channel.left = left - got;
    return got;
  }

  /** Closes a channel whose socket nobody has any more. */
  #closeChannel(channel: Channel): void {
    // One that has ended both ways is none any more at the far side.
    if (!channel.saidEnd || !channel.gotEnd) {
      this.#control.push(frameOf(channel.id, FRAME.CLOSE));
      this.#closing.set(channel.id, channel.saidEnd);
      this.#schedule();
    }
    this.#drop(channel);
  }

  /** Forgets a channel of which nothing more is to be said. */
  #drop(channel: Channel): void {
    if (this.#channels.get(channel.id) === channel) this.#channels.delete(channel.id);
    this.#lingering.delete(channel);
    channel.unwritten.clear();
    if (!channel.isCut) this.#empty(channel);
    Effect.runFork(Scope.close(channel.scope, Exit.void));
  }

  /** So that the other end sees the end of the stream when ours closes, and is not reset. */
  #empty({ fd }: Channel): void {
    this.#call("shutdown", fd, SHUT.RD);
    const scratch = this.#memory.address + OUT_SIZE + IN_SIZE;
    while (this.#receiveFrom(fd, scratch, SCRATCH_SIZE) > 0);
  }

  /** The same, and whoever is at the other end of its socket still gets what came before. */
  #dropWhenWritten(channel: Channel): void {
    if (channel.unwritten.length === 0) {
      this.#drop(channel);
      return;
    }
    this.#channels.delete(channel.id);
    this.#lingering.add(channel);
    // For when the scope closes before all is written on.
    this.#plantAt(channel.end);
    // Who writes to it is told, and does not wait for us instead of reading.
    this.#call("shutdown", channel.fd, SHUT.RD);
  }

  #dropIfDone(channel: Channel): void {
    if (channel.saidEnd && channel.gotEnd && channel.unwritten.length === 0) this.#drop(channel);
  }

  // ---- In ----

  /** Takes what has come. If that is much, those whom it is for get a turn before there is more. */
  #receive(): void {
    for (let round = 0; !this.#hasEnded && !this.#isYielding; round++) {
      const got = this.#receiveFrom(
        this.#stream.near,
        this.#memory.address + OUT_SIZE + this.#carried,
        IN_SIZE - this.#carried,
      );
      if (got === -Errno.EAGAIN) {
        if (this.#sendError !== 0) this.#fail("sendto", this.#sendError);
        return;
      }
      // Who goes without having read all that we said resets the connection by that.
      if (got === 0 || got === -Errno.ECONNRESET) {
        const inFrame = this.#carried > 0 || this.#dataLeft > 0;
        this.#end(
          new StreamError({ problem: `it has ended${inFrame ? " in the middle of a frame" : ""}` }),
        );
      } else if (isError(got)) this.#fail("recvfrom", got);
      else {
        this.#bytesIn += got;
        this.#take(OUT_SIZE + this.#carried + got);
        if (got >= PAYLOAD_AT_MOST || round === ROUNDS) this.#goOnLater();
      }
    }
  }

  /** Once, however many ask for it. */
  #goOnLater(): void {
    if (this.#isYielding) return;
    this.#isYielding = true;
    setImmediate(() => {
      this.#isYielding = false;
      this.#onStream();
    });
  }

  /** Takes the frames that have come whole, and of DATA what has come. */
  #take(end: number): void {
    let at = OUT_SIZE;
    while (!this.#hasEnded) {
      if (this.#dataLeft > 0) {
        const part = Math.min(this.#dataLeft, end - at);
        if (part === 0) break;
        this.#takeData(this.#dataChannel, at, part);
        this.#dataLeft -= part;
        at += part;
        continue;
      }
      if (end - at < HEADER_SIZE) break;
      const id = this.#view.getUint32(at, true);
      const word = this.#view.getUint32(at + 4, true);
      const type = word >>> 24;
      const size = word & 0xffffff;
      const wrong = whatIsWrong(type, size);
      if (wrong !== undefined) {
        this.#broken(wrong);
        return;
      }
      if (type === FRAME.DATA) {
        at += HEADER_SIZE;
        this.#beginData(id, size);
        continue;
      }
      if (end - at < HEADER_SIZE + size) break;
      const channel = this.#channels.get(id);
      if (channel === undefined) this.#takeAnswer(id, type);
      else if (type === FRAME.CREDIT)
        this.#takeCredit(channel, this.#view.getUint32(at + HEADER_SIZE, true));
      else if (type === FRAME.END) this.#takeEnd(channel);
      else this.#takeClose(channel);
      at += HEADER_SIZE + size;
    }
    if (this.#hasEnded) return;
    new Uint8Array(this.#memory.buffer).copyWithin(OUT_SIZE, at, end);
    this.#carried = end - at;
  }

  #beginData(id: number, size: number): void {
    const channel = this.#channels.get(id);
    this.#dataChannel = channel;
    this.#dataLeft = size;
    if (channel?.gotEnd) this.#broken("data after the end of a channel");
    else if (channel !== undefined && size > channel.granted)
      this.#broken("more data than was granted");
    else if (channel !== undefined) channel.granted -= size;
  }

  /** Bytes for a channel's socket, in the buffer. */
  #takeData(channel: Channel | undefined, at: number, length: number): void {
    if (channel === undefined || this.#channels.get(channel.id) !== channel) return;
    const sent =
      channel.unwritten.length > 0 ? 0 : this.#writeNow(channel, this.#memory.address + at, length);
    if (sent < length && !channel.cannotWrite)
      channel.unwritten.push(new Uint8Array(this.#memory.buffer, at + sent, length - sent));
    this.#giveCredit(channel);
  }

  #takeCredit(channel: Channel, credit: number): void {
    if (credit > WINDOW - channel.credit) {
      this.#broken("more credit than a window");
      return;
    }
    channel.credit += credit;
    this.#awaitTurn(channel);
  }

  #takeEnd(channel: Channel): void {
    if (channel.gotEnd) {
      this.#broken("a channel ends twice");
      return;
    }
    channel.gotEnd = true;
    this.#afterWriting(channel);
  }

  /** The far side has closed it. */
  #takeClose(channel: Channel): void {
    this.#control.push(frameOf(channel.id, FRAME.CLOSE));
    this.#schedule();
    this.#dropWhenWritten(channel);
  }

  /** A frame of a channel that is not there. What is no answer to our CLOSE has crossed it on the way. */
  #takeAnswer(id: number, type: number): void {
    const saidEnd = this.#closing.get(id);
    if (saidEnd === undefined) return;
    if (type === FRAME.CLOSE || (type === FRAME.END && saidEnd)) this.#closing.delete(id);
  }

  /** Writes on what has waited for its socket. */
  #write(channel: Channel): void {
    const scratch = OUT_SIZE + IN_SIZE;
    while (channel.unwritten.length > 0) {
      const { first } = channel.unwritten;
      new Uint8Array(this.#memory.buffer).set(first, scratch);
      const sent = this.#writeNow(channel, this.#memory.address + scratch, first.length);
      if (channel.cannotWrite) break;
      channel.unwritten.drop(sent);
      if (sent < first.length) break;
    }
    this.#afterWriting(channel);
  }

  #afterWriting(channel: Channel): void {
    this.#giveCredit(channel);
    if (channel.unwritten.length > 0) return;
    if (this.#lingering.has(channel)) this.#drop(channel);
    else if (channel.gotEnd) {
      if (!channel.cannotWrite) this.#call("shutdown", channel.fd, SHUT.WR);
      this.#dropIfDone(channel);
    }
  }

  /** As many bytes as the socket takes. */
  #writeNow(channel: Channel, address: number, length: number): number {
    let done = 0;
    while (done < length) {
      const sent = this.#send(channel.fd, address + done, length - done);
      if (sent === -Errno.EAGAIN) break;
      if (isError(sent)) {
        this.#stopWriting(channel);
        break;
      }
      done += sent;
    }
    channel.writtenOn += done;
    return done;
  }

  /** Nobody reads at the other end. What was written there before still goes out. */
  #stopWriting(channel: Channel): void {
    channel.cannotWrite = true;
    channel.unwritten.clear();
    if (this.#lingering.has(channel)) return;
    if (channel.saidEnd) this.#closeChannel(channel);
    else {
      channel.isReadable = true;
      this.#awaitTurn(channel);
    }
  }

  /**
   * Tells of bytes that went on, when they are many: what the far side has left to send until then is the
   * other half of its window.
   */
  #giveCredit(channel: Channel): void {
    if (channel.writtenOn < WINDOW / 2 || channel.gotEnd) return;
    if (this.#channels.get(channel.id) !== channel) return;
    this.#control.push(frameOf(channel.id, FRAME.CREDIT, [channel.writtenOn]));
    this.#schedule();
    channel.granted += channel.writtenOn;
    channel.writtenOn = 0;
  }

  // ---- System calls ----

  #send(fd: number, address: number, length: number): number {
    const flags = MSG.NOSIGNAL | MSG.DONTWAIT;
    return Number(this.#local.submit(this.#sendto, fd, address, length, flags, 0, 0));
  }

  #receiveFrom(fd: number, address: number, length: number, flags = 0): number {
    return Number(
      this.#local.submit(this.#recvfrom, fd, address, length, flags | MSG.DONTWAIT, 0, 0),
    );
  }

  /** Bytes that are there to be read in a channel's socket. */
  #unread({ fd }: Channel): number {
    const at = OUT_SIZE + IN_SIZE;
    this.#call("ioctl", fd, FIONREAD, this.#memory.address + at);
    return Int32.decode(new Uint8Array(this.#memory.buffer, at, Int32.size));
  }

  /** Whether the other end of a channel's socket is closed altogether. */
  #hasHungUp({ fd }: Channel): boolean {
    const at = OUT_SIZE + IN_SIZE;
    const bytes = new Uint8Array(this.#memory.buffer, at, PollFd.size + Timespec.size);
    bytes.fill(0);
    PollFd.encode({ fd, events: 0, revents: 0 }, bytes);
    const address = this.#memory.address + at;
    const ready = this.#call("ppoll", address, 1, address + PollFd.size);
    return ready === 1 && (PollFd.decode(bytes).revents & (POLL.HUP | POLL.ERR)) !== 0;
  }

  #call(name: "ioctl" | "ppoll" | "shutdown", a: number, b: number, c = 0): number {
    const number = this.#local.abi.syscallNumber(name) as number;
    return Number(this.#local.submit(number, a, b, c, 0, 8, 0));
  }
}

oneLine(Multiplexer, ({ first }) => `with ${first}`);
