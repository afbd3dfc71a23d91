import { EPOLL, Errno, MSG, POLL, PollFd, SHUT, Timespec } from "@rsyscall/abi";
import { type MappedMemory, ownMemory } from "@rsyscall/connection";
import type { Epoller } from "@rsyscall/epoller";
import { type HandleFailure, Socket } from "@rsyscall/handle";
import { isError, LocalSyscallInterface, SyscallError } from "@rsyscall/near";
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
} from "./frames.ts";

/** A few turns of channels, and what is to be said besides. */
const OUT_SIZE = 4 * (HEADER_SIZE + PAYLOAD_AT_MOST) + 16 * 1024;
const IN_SIZE = 256 * 1024;
/** For what has waited for its socket, and for a poll. */
const SCRATCH_SIZE = PAYLOAD_AT_MOST;

/** One end of a socket pair, whose other end is somebody's here, and what is at the far side of it. */
class Channel {
  readonly id: number;
  /** The end that is not given to anybody. */
  readonly socket: Socket;
  /** Closes it. */
  readonly scope: Scope.Closeable;
  /** Bytes that may go out. */
  credit = WINDOW;
  /** Bytes that may come in. */
  granted = WINDOW;
  /** Bytes that came in and went on, of which the other side has not been told. */
  writtenOn = 0;
  /** Its socket may have something to be read. */
  isReadable = false;
  /** It is among those that wait for their turn. */
  isWaiting = false;
  /** What its socket had no room for. */
  unwritten: Array<Uint8Array> = [];
  /** Nobody reads at the other end of its socket. */
  cannotWrite = false;
  saidEnd = false;
  gotEnd = false;
  /** The other side has closed it: nothing is left but to write what waits. */
  isClosing = false;

  constructor(id: number, socket: Socket, scope: Scope.Closeable) {
    this.id = id;
    this.socket = socket;
    this.scope = scope;
  }

  get fd(): number {
    return this.socket.near;
  }
}

/**
 * The near side of a multiplexed stream: channels to sockets at the far side, each of them a socket here. Its
 * bytes are read and written in the event loop of this process, without a fiber; back-pressure goes through
 * in both directions.
 */
export class Multiplexer {
  /** Our end of the channel that is there from the beginning. It blocks. */
  readonly first: Socket;
  readonly #stream: Socket;
  readonly #epoller: Epoller;
  readonly #local: LocalSyscallInterface;
  readonly #memory: MappedMemory;
  readonly #view: DataView;
  readonly #sendto: number;
  readonly #recvfrom: number;
  readonly #channels = new Map<number, Channel>();
  /** The numbers of channels by the ends that are not ours. */
  readonly #ids = new WeakMap<Socket, number>();
  /** Numbers are not used twice: there are enough. */
  #lastId = 0;
  /** Channels that have something to be read, and may send it. They take turns. */
  #turns: Array<Channel> = [];
  /** What goes out before anything else. */
  #control: Array<Uint8Array> = [];
  #outStart = 0;
  #outEnd = 0;
  /** Bytes of a frame that has not come whole. */
  #carried = 0;
  /** What is missing of a frame of DATA, and whose it is. */
  #dataLeft = 0;
  #dataChannel: Channel | undefined;
  #isScheduled = false;
  readonly #ended = Deferred.makeUnsafe<never, StreamError>();
  #hasEnded = false;
  #bytesIn = 0;
  #bytesOut = 0;

  private constructor(
    stream: Socket,
    epoller: Epoller,
    local: LocalSyscallInterface,
    memory: MappedMemory,
    [first, channel]: readonly [Socket, Channel],
  ) {
    this.first = first;
    this.#stream = stream;
    this.#epoller = epoller;
    this.#local = local;
    this.#memory = memory;
    this.#view = new DataView(memory.buffer);
    this.#sendto = local.abi.syscallNumber("sendto") as number;
    this.#recvfrom = local.abi.syscallNumber("recvfrom") as number;
    this.#ids.set(first, channel.id);
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
      const local = task.sysif;
      if (!(local instanceof LocalSyscallInterface))
        return yield* Effect.die(new TypeError("streams are multiplexed in this process"));
      const size = OUT_SIZE + IN_SIZE + SCRATCH_SIZE;
      const { address } = yield* Effect.acquireRelease(
        task.allocator.malloc(size, 8),
        (allocation) => allocation.free,
      );
      const first = yield* makeChannel(stream, 0);
      const memory = yield* ownMemory.map(address, size);
      const multiplexer = new Multiplexer(stream, epoller, local, memory, first);
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => multiplexer.#end(new StreamError({ problem: "its scope has closed" }))),
      );
      yield* multiplexer.#add(first[1]);
      yield* epoller.watch(
        stream,
        (hasEnded) =>
          hasEnded
            ? multiplexer.#end(new StreamError({ problem: "the event loop has ended" }))
            : multiplexer.#onStream(),
        EPOLL.IN | EPOLL.OUT,
      );
      return multiplexer;
    });
  }

  /** Fails when the stream has ended, and with it all channels. */
  get ended(): Effect.Effect<never, StreamError> {
    return Deferred.await(this.#ended);
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
   * Of that nothing else may be on its way. Does not wait: whatever follows on the stream comes after it.
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
      const id = this.#ids.get(through);
      if (id === undefined || count > CHANNELS_AT_MOST || message.length > MESSAGE_AT_MOST)
        return Effect.fail(SyscallError.of("sendmsg", "EINVAL", `fd ${through.near}`));
      if (this.#hasEnded || !this.#channels.has(id))
        return Effect.fail(SyscallError.of("sendmsg", "EPIPE", `fd ${through.near}`));
      const first = this.#lastId + 1;
      this.#lastId += count;
      const ids = Array.from({ length: count }, (_, i) => first + i);
      return Effect.gen({ self: this }, function* () {
        const made = yield* Effect.forEach(ids, (each) => makeChannel(this.#stream, each));
        this.#control.push(frameOf(id, FRAME.OPEN, [first, count], message));
        this.#schedule();
        for (const [end, channel] of made) {
          this.#ids.set(end, channel.id);
          yield* this.#add(channel);
        }
        return made.map(([end]) => end);
      });
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

  /** Ends everything: those at the other ends of the sockets see a hang-up. */
  #end(error: StreamError): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#control = [];
    this.#turns = [];
    for (const channel of [...this.#channels.values()]) this.#drop(channel);
    Deferred.doneUnsafe(this.#ended, Effect.fail(error));
  }

  #broken(why: string): void {
    this.#end(new StreamError({ problem: `the stream is broken: ${why}` }));
  }

  // ---- What happens ----

  #onStream(): void {
    if (this.#hasEnded) return;
    this.#receive();
    this.#pump();
  }

  #onChannel(channel: Channel): void {
    if (this.#hasEnded || this.#channels.get(channel.id) !== channel) {
      if (channel.isClosing) this.#write(channel);
      return;
    }
    if (channel.unwritten.length > 0) this.#write(channel);
    if (channel.saidEnd) {
      if (this.#hasHungUp(channel)) this.#close(channel);
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
    while (!this.#hasEnded && this.#flush()) {
      this.#putControl();
      while (this.#control.length === 0 && this.#turns.length > 0 && this.#hasRoom(PAYLOAD_AT_MOST))
        this.#read(this.#turns.shift() as Channel);
      if (this.#outEnd === 0) return;
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
        this.#fail("sendto", sent);
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
    const length = Math.min(channel.credit, PAYLOAD_AT_MOST);
    const got = this.#receiveFrom(
      channel.fd,
      this.#memory.address + this.#outEnd + HEADER_SIZE,
      length,
    );
    if (got === -Errno.EAGAIN) {
      channel.isReadable = false;
      // All that it had to say has been said by now.
      if (channel.cannotWrite) this.#close(channel);
    } else if (isError(got)) this.#close(channel);
    else if (got === 0) {
      if (channel.cannotWrite || (!channel.gotEnd && this.#hasHungUp(channel)))
        this.#close(channel);
      else {
        channel.saidEnd = true;
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

  /** Closes a channel whose socket nobody has any more. */
  #close(channel: Channel): void {
    this.#control.push(frameOf(channel.id, FRAME.CLOSE));
    this.#schedule();
    this.#drop(channel);
  }

  /** Forgets a channel of which nothing more is to be said. */
  #drop(channel: Channel): void {
    this.#channels.delete(channel.id);
    channel.isClosing = false;
    channel.unwritten = [];
    Effect.runFork(Scope.close(channel.scope, Exit.void));
  }

  #dropIfDone(channel: Channel): void {
    if (channel.saidEnd && channel.gotEnd && channel.unwritten.length === 0) this.#drop(channel);
  }

  // ---- In ----

  /** Takes what has come, until there is no more. */
  #receive(): void {
    while (!this.#hasEnded) {
      const got = this.#receiveFrom(
        this.#stream.near,
        this.#memory.address + OUT_SIZE + this.#carried,
        IN_SIZE - this.#carried,
      );
      if (got === -Errno.EAGAIN) return;
      if (got === 0) {
        const inFrame = this.#carried > 0 || this.#dataLeft > 0;
        this.#end(
          new StreamError({ problem: `it has ended${inFrame ? " in the middle of a frame" : ""}` }),
        );
      } else if (isError(got)) this.#fail("recvfrom", got);
      else {
        this.#bytesIn += got;
        this.#take(OUT_SIZE + this.#carried + got);
      }
    }
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
      if (type === FRAME.DATA) {
        at += HEADER_SIZE;
        this.#beginData(id, size);
        continue;
      }
      const isKnown =
        type === FRAME.CREDIT
          ? size === 4
          : size === 0 && (type === FRAME.END || type === FRAME.CLOSE);
      if (!isKnown) {
        this.#broken(`a frame of type ${type} and ${size} bytes`);
        return;
      }
      if (end - at < HEADER_SIZE + size) break;
      // What is not there crossed our CLOSE on the way.
      const channel = this.#channels.get(id);
      if (channel !== undefined)
        if (type === FRAME.CREDIT)
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
    if (size === 0 || size > PAYLOAD_AT_MOST) this.#broken(`a frame of ${size} bytes`);
    else if (channel?.gotEnd) this.#broken("data after the end of a channel");
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
      channel.unwritten.push(new Uint8Array(this.#memory.buffer, at + sent, length - sent).slice());
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

  /** The far side has closed it. Whoever is at the other end here still gets what came before. */
  #takeClose(channel: Channel): void {
    this.#control.push(frameOf(channel.id, FRAME.CLOSE));
    this.#schedule();
    this.#channels.delete(channel.id);
    if (channel.unwritten.length > 0) channel.isClosing = true;
    else this.#drop(channel);
  }

  /** Writes on what has waited for its socket. */
  #write(channel: Channel): void {
    const scratch = OUT_SIZE + IN_SIZE;
    for (let [first] = channel.unwritten; first !== undefined; [first] = channel.unwritten) {
      new Uint8Array(this.#memory.buffer).set(first, scratch);
      const sent = this.#writeNow(channel, this.#memory.address + scratch, first.length);
      if (channel.cannotWrite) break;
      if (sent < first.length) {
        channel.unwritten[0] = first.subarray(sent);
        break;
      }
      channel.unwritten.shift();
    }
    this.#afterWriting(channel);
  }

  #afterWriting(channel: Channel): void {
    this.#giveCredit(channel);
    if (channel.unwritten.length > 0) return;
    if (channel.isClosing) this.#drop(channel);
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
    channel.unwritten = [];
    if (channel.isClosing) return;
    if (channel.saidEnd) this.#close(channel);
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
    if (channel.writtenOn < WINDOW / 2 || channel.gotEnd || channel.isClosing) return;
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

  #receiveFrom(fd: number, address: number, length: number): number {
    return Number(this.#local.submit(this.#recvfrom, fd, address, length, MSG.DONTWAIT, 0, 0));
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

  #call(name: "ppoll" | "shutdown", a: number, b: number, c = 0): number {
    const number = this.#local.abi.syscallNumber(name) as number;
    return Number(this.#local.submit(number, a, b, c, 0, 8, 0));
  }
}

/** A socket pair: the end to give away, and the channel of the other one. */
const makeChannel = (
  { task }: Socket,
  id: number,
): Effect.Effect<readonly [Socket, Channel], HandleFailure, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      const [given, own] = yield* Scope.provide(Socket.pair(task), scope);
      own.closeOnFork = true;
      const end = yield* given.move(task);
      end.closeOnFork = true;
      return [end, new Channel(id, own, scope)] as const;
    }),
  );
