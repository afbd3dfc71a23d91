import { EPOLL, Errno, SHUT } from "@rsyscall/abi";
import { type MappedMemory, ownMemory } from "@rsyscall/connection";
import type { Epoller } from "@rsyscall/epoller";
import type { HandleFailure, Socket } from "@rsyscall/handle";
import { isError, LocalSyscallInterface, oneLine, SyscallError } from "@rsyscall/near";
import { CHANNELS_AT_MOST, FRAME, MESSAGE_AT_MOST, PAYLOAD_AT_MOST, WINDOW } from "@rsyscall/wire";
import { Deferred, Effect, Scope } from "effect";
import { StreamError } from "./errors.ts";
import { Channel } from "./internal/Channel.ts";
import { Channels } from "./internal/Channels.ts";
import { ChannelTurns } from "./internal/ChannelTurns.ts";
import { FrameReader, INPUT_SIZE } from "./internal/FrameReader.ts";
import { OUTPUT_SIZE, Output } from "./internal/Output.ts";
import { SCRATCH_SIZE, SocketCalls } from "./internal/SocketCalls.ts";

/** The parts of the memory, one behind the other: output, input, scratch. */
const MEMORY_SIZE = OUTPUT_SIZE + INPUT_SIZE + SCRATCH_SIZE;

/**
 * Channels that there may be. The far side ends the stream at twice as many: it also counts those of which only the
 * last bytes have to be written to their sockets.
 */
const CHANNELS = 8192;

/** How often the buffer is filled, or read into, before others get their turn. */
const ROUNDS = 16;

/**
 * The near side of a multiplexed stream: channels to sockets at the far side, each of them a socket here. Its
 * bytes are read and written in the event loop of this process, without a fiber; back-pressure goes through
 * in both directions.
 */
export class Multiplexer {
  #first: Socket | undefined;
  readonly #stream: Socket;
  readonly #epoller: Epoller;
  readonly #calls: SocketCalls;
  readonly #output: Output;
  readonly #input: FrameReader;
  readonly #turns = new ChannelTurns(() => this.#pump());
  readonly #channels: Channels;
  /** Channels by the ends that are not ours. */
  readonly #byEnd = new WeakMap<Socket, Channel>();
  /** It will go on in the next turn of the event loop. */
  #isYielding = false;
  readonly #ended = Deferred.makeUnsafe<never, StreamError>();

  private constructor(
    stream: Socket,
    epoller: Epoller,
    local: LocalSyscallInterface,
    memory: MappedMemory,
  ) {
    const fd = stream.near;
    this.#stream = stream;
    this.#epoller = epoller;
    this.#calls = new SocketCalls(local, memory, OUTPUT_SIZE + INPUT_SIZE);
    this.#output = new Output(this.#calls, fd);
    this.#channels = new Channels(this.#calls, this.#output, this.#turns, (why) => {
      // The far side is told by the end of the stream, and does not go on.
      this.#calls.shutdown(fd, SHUT.RDWR);
      this.#end(new StreamError({ problem: `the stream is broken: ${why}`, isBroken: true }));
    });
    this.#input = new FrameReader(this.#calls, fd, OUTPUT_SIZE, this.#channels);
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
      const { address } = yield* Effect.acquireRelease(
        task.allocator.malloc(MEMORY_SIZE, 8),
        (allocation) => allocation.free(),
      );
      const memory = yield* ownMemory.map(address, MEMORY_SIZE);
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
  ended(): Effect.Effect<never, StreamError> {
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
      bytesIn: this.#input.total,
      bytesOut: this.#output.total,
      channels: this.#channels.size,
    };
  }

  /**
   * Opens channels, and has the far side send their far ends with a message through the channel of another.
   * Does not wait: whatever follows on the stream comes after it.
   *
   * EBUSY if the far side has not yet passed on all that was sent through that channel; EPIPE if it has
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
      const first = this.#channels.ids.take(count);
      const make = Effect.gen({ self: this }, function* () {
        const ends: Array<Socket> = [];
        for (let i = 0; i < count; i++) ends.push(yield* this.#make(first + i));
        this.#output.say(id, FRAME.OPEN, [first, count], message);
        this.#turns.schedule();
        return ends;
      });
      // The far side has not heard of them.
      const undo = Effect.sync(() => {
        for (let i = 0; i < count; i++) {
          const channel = this.#channels.get(first + i);
          if (channel !== undefined) this.#channels.drop(channel);
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
    return this.#channels.taken + count > CHANNELS ? "EMFILE" : undefined;
  }

  /** A channel, and its end to give away. */
  #make(id: number): Effect.Effect<Socket, HandleFailure, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const channels = this.#channels;
      const [end, channel] = yield* Channel.make(this.#stream.task, id, (channel, fd) =>
        channels.onShutdown(channel, fd),
      );
      channels.add(channel);
      const watch = this.#epoller.watch(
        channel.socket,
        (hasEnded) => {
          if (!hasEnded) channels.onReady(channel);
        },
        EPOLL.IN | EPOLL.OUT,
      );
      yield* Effect.onError(Scope.provide(watch, channel.scope), () =>
        Effect.sync(() => channels.drop(channel)),
      );
      this.#byEnd.set(end, channel);
      return end;
    });
  }

  /** Ends everything. What waits to be written to the sockets still is. */
  #end(error: StreamError): void {
    if (this.#channels.hasEnded) return;
    this.#output.clear();
    this.#turns.clear();
    this.#channels.end();
    Deferred.doneUnsafe(this.#ended, Effect.fail(error));
  }

  /** Ends everything, and what waits to be written is lost. */
  #close(): void {
    this.#end(new StreamError({ problem: "its scope has closed" }));
    this.#channels.endLingering();
  }

  #fail(syscall: string, result: number): void {
    const cause = SyscallError.from(syscall, result, "the stream");
    this.#end(new StreamError({ problem: cause.message, cause }));
  }

  #onStream(): void {
    if (this.#channels.hasEnded) return;
    this.#receive();
    this.#pump();
  }

  /** Sends what there is to be sent, until the stream takes no more. */
  #pump(): void {
    const output = this.#output;
    if (output.error !== 0) return;
    for (let round = 0; !this.#channels.hasEnded && output.flush(); round++) {
      if (round === ROUNDS) {
        this.#goOnLater();
        return;
      }
      output.fill();
      while (output.takesData && !this.#turns.isEmpty) this.#channels.read(this.#turns.next());
      if (output.isEmpty) return;
    }
    // The far side has gone, and what it had to say before may not all have been read.
    if (output.error !== 0) this.#receive();
  }

  /** Takes what has come. If that is much, those whom it is for get a turn before there is more. */
  #receive(): void {
    for (let round = 0; !this.#channels.hasEnded && !this.#isYielding; round++) {
      const got = this.#input.read();
      if (got === -Errno.EAGAIN) {
        if (this.#output.error !== 0) this.#fail("sendto", this.#output.error);
        return;
      }
      // A far side that goes without having read all that we said resets the connection by that.
      if (got === 0 || got === -Errno.ECONNRESET) {
        const where = this.#input.isInFrame ? " in the middle of a frame" : "";
        this.#end(new StreamError({ problem: `it has ended${where}` }));
      } else if (isError(got)) this.#fail("recvfrom", got);
      else if (got >= PAYLOAD_AT_MOST || round === ROUNDS) this.#goOnLater();
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
}

oneLine(Multiplexer, ({ first }) => `with ${first}`);
