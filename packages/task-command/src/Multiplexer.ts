import { EPOLL, Errno, SHUT } from "@rsyscall/abi";
import { LocalCalls, type MappedMemory, ownMemory, type Relay } from "@rsyscall/connection";
import type { Epoller } from "@rsyscall/epoller";
import { FileDescriptor, type HandleFailure, type Socket } from "@rsyscall/handle";
import {
  InvalidArgumentError,
  InvalidStateError,
  isError,
  LocalSyscallInterface,
  oneLine,
  SyscallError,
  SyscallSendError,
} from "@rsyscall/near";
import { CHANNELS_AT_MOST, FRAME, MESSAGE_AT_MOST, PAYLOAD_AT_MOST, WINDOW } from "@rsyscall/wire";
import { Deferred, Effect, type Exit, Scope } from "effect";
import { StreamError } from "./errors.ts";
import { Channel } from "./internal/Channel.ts";
import { Channels } from "./internal/Channels.ts";
import { ChannelTurns } from "./internal/ChannelTurns.ts";
import { FrameReader, INPUT_SIZE } from "./internal/FrameReader.ts";
import { OUTPUT_SIZE, Output } from "./internal/Output.ts";
import { SCRATCH_SIZE, SocketCalls } from "./internal/SocketCalls.ts";

/** The memory has three consecutive parts: output, input, scratch. */
const MEMORY_SIZE = OUTPUT_SIZE + INPUT_SIZE + SCRATCH_SIZE;

/**
 * The maximum number of channels. The far side ends the stream at twice as many: it also counts closed channels whose
 * last bytes are not yet written to their sockets.
 */
const CHANNELS = 8192;

/** How often the buffer is filled, or read into, before other work gets a turn. */
const ROUNDS = 16;

/**
 * The near side of a multiplexed stream. Each channel connects a socket here with a socket at the far side. The
 * event loop of this process reads and writes the bytes, without a fiber; back-pressure works in both
 * directions.
 */
export class Multiplexer {
  #first: Socket | undefined;
  readonly #local: LocalCalls;
  readonly #epoller: Epoller;
  readonly #calls: SocketCalls;
  readonly #output: Output;
  readonly #input: FrameReader;
  readonly #turns = new ChannelTurns(() => this.#pump());
  readonly #channels: Channels;
  /** Channels by the ends that were given away. */
  readonly #byEnd = new WeakMap<Socket, Channel>();
  /** Whether it continues in the next turn of the event loop. */
  #isYielding = false;
  /** Completes when all is sent, the last frame included; undefined before that is asked for. */
  #left: Deferred.Deferred<void> | undefined;
  readonly #ended = Deferred.makeUnsafe<never, StreamError>();

  private constructor(
    stream: Socket,
    epoller: Epoller,
    local: LocalSyscallInterface,
    calls: LocalCalls,
    memory: MappedMemory,
  ) {
    const fd = stream.near;
    this.#local = calls;
    this.#epoller = epoller;
    this.#calls = new SocketCalls(local, memory, OUTPUT_SIZE + INPUT_SIZE);
    this.#output = new Output(this.#calls, fd);
    this.#channels = new Channels(this.#calls, this.#output, this.#turns, (why) => {
      // The far side sees the end of the stream, and stops.
      this.#calls.shutdown(fd, SHUT.RDWR);
      this.#end(new StreamError({ problem: `the stream is broken: ${why}`, isBroken: true }));
    });
    this.#input = new FrameReader(this.#calls, fd, OUTPUT_SIZE, this.#channels);
  }

  /**
   * Starts a multiplexer with one channel. The scope ends it, and all channels at once.
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
      const calls = LocalCalls.of(task) ?? (yield* LocalCalls.make(task));
      const multiplexer = new Multiplexer(stream, epoller, local, calls, memory);
      multiplexer.#first = yield* multiplexer.#make(0);
      // The channels must be cut before their sockets close, so no scope closes these.
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
      // The far side may have spoken first: that need not wait for the event loop.
      multiplexer.#onStream();
      return multiplexer;
    }).pipe(Effect.uninterruptible);
  }

  /** The near end of the channel that exists from the beginning. It blocks. */
  get first(): Socket {
    return this.#first as Socket;
  }

  /** Fails when the stream, and so every channel, has ended. */
  ended(): Effect.Effect<never, StreamError> {
    return Deferred.await(this.#ended);
  }

  /**
   * Tells the far side that the end of the stream, which follows, is no cut: what programs have left in the background goes
   * on. Waits until that is sent. From now on no data is taken from the channels.
   */
  leave(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#channels.hasEnded) return Effect.void;
      this.#left = Deferred.makeUnsafe();
      this.#output.say(0, FRAME.END);
      this.#pump();
      return Deferred.await(this.#left);
    });
  }

  #hasLeft(): void {
    if (this.#left !== undefined) Deferred.doneUnsafe(this.#left, Effect.void);
  }

  /**
   * Whether a channel was open when the stream ended: then bytes of the far side may be lost.
   *
   * @param end the near end of the channel
   */
  isCut(end: Socket): boolean {
    return this.#byEnd.get(end)?.isCut ?? false;
  }

  /**
   * The way of a channel to a connection of this process. Undefined if it is no channel of this stream.
   *
   * @param end the near end of the channel
   */
  relay(end: Socket): Relay | undefined {
    const channel = this.#byEnd.get(end);
    return (
      channel && {
        sent: () => this.#channels.onSent(channel),
        onArrival: (callback) => channel.onArrival(callback),
      }
    );
  }

  /** The number of bytes in each direction so far, including frame headers, and the number of open channels. */
  get stats(): { readonly bytesIn: number; readonly bytesOut: number; readonly channels: number } {
    return {
      bytesIn: this.#input.total,
      bytesOut: this.#output.total,
      channels: this.#channels.size,
    };
  }

  /**
   * Opens channels, and makes the far side send their far ends, with a message, through another channel.
   * It does not wait: later frames of the stream come after it.
   *
   * InvalidStateError if the far side has not yet written all bytes of that other channel to its socket, or if there
   * are too many channels; SyscallSendError if the channel has ended; InvalidArgumentError for more than 32 channels,
   * or a message that does not have 1 to 4,096 bytes. If the far side has no free descriptors, it closes the channels
   * and sends only the message.
   *
   * @param through the near end of the channel through which they are sent
   * @returns the near ends, which block
   */
  open(
    through: Socket,
    count: number,
    message: Uint8Array,
  ): Effect.Effect<ReadonlyArray<Socket>, HandleFailure, Scope.Scope> {
    return Effect.suspend(() => {
      const refusal = this.#whyNot(through, count, message);
      if (refusal !== undefined) return Effect.fail(refusal);
      const id = (this.#byEnd.get(through) as Channel).id;
      const first = this.#channels.ids.take(count);
      const make = Effect.gen({ self: this }, function* () {
        const ends: Array<Socket> = [];
        for (let i = 0; i < count; i++) ends.push(yield* this.#make(first + i));
        this.#output.say(id, FRAME.OPEN, [first, count], message);
        this.#turns.schedule();
        return ends;
      });
      // The far side does not know of them yet.
      const undo = Effect.sync(() => {
        for (let i = 0; i < count; i++) {
          const channel = this.#channels.get(first + i);
          if (channel !== undefined) this.#channels.drop(channel);
        }
      });
      return Effect.uninterruptible(Effect.onError(make, () => undo));
    });
  }

  #whyNot(through: Socket, count: number, { length }: Uint8Array) {
    const syscall = "open";
    const invalid = (argument: string, value: unknown, expected: string) =>
      new InvalidArgumentError({ syscall, argument, value, expected });
    const id = this.#byEnd.get(through)?.id;
    if (id === undefined) return invalid("through", through, "our end of a channel of this stream");
    if (!(Number.isInteger(count) && count >= 0 && count <= CHANNELS_AT_MOST))
      return invalid("count", count, `a number of channels from 0 to ${CHANNELS_AT_MOST}`);
    if (length < 1 || length > MESSAGE_AT_MOST)
      return invalid("message", `${length} bytes`, `1 to ${MESSAGE_AT_MOST} bytes`);
    const channel = this.#channels.get(id);
    if (channel === undefined || channel.saidEnd) return new SyscallSendError({ syscall });
    const subject = `channel ${id}`;
    if (channel.credit < WINDOW)
      return new InvalidStateError({
        syscall,
        subject,
        problem: "has data on its way that the far side has not yet written on",
        remedy: "try again when that has been read there",
      });
    return this.#channels.taken + count > CHANNELS
      ? new InvalidStateError({
          syscall,
          subject,
          problem: `would lead to more than the ${CHANNELS} channels that a stream can have`,
          remedy: "close some first",
        })
      : undefined;
  }

  /** Makes a channel, and returns the end to give away. */
  #make(id: number): Effect.Effect<Socket, HandleFailure, Scope.Scope> {
    return Effect.flatMap(Effect.scope, (scope) => {
      const channels = this.#channels;
      const made = Channel.make(this.#local, id, (channel, fd) => channels.onShutdown(channel, fd));
      if (typeof made === "number") return Effect.fail(SyscallError.from("socketpair", made));
      const [end, channel] = made;
      channels.add(channel);
      const stop = this.#epoller.watchNow(
        channel.socket,
        (hasEnded) => {
          if (!hasEnded) channels.onReady(channel);
        },
        EPOLL.IN | EPOLL.OUT,
      );
      const release = (exit: Exit.Exit<unknown, unknown>) =>
        FileDescriptor.releaseNow(end, exit) ?? Effect.void;
      const owned = Scope.addFinalizerExit(scope, release);
      if (typeof stop !== "function") {
        channels.drop(channel);
        return Effect.andThen(
          owned,
          stop === undefined
            ? Effect.die(new TypeError("streams are multiplexed in this process"))
            : Effect.fail(stop),
        );
      }
      channel.isWatched(stop);
      this.#byEnd.set(end, channel);
      return Effect.as(owned, end);
    });
  }

  /** Ends all channels. Bytes that wait for the sockets are still written. */
  #end(error: StreamError): void {
    if (this.#channels.hasEnded) return;
    this.#output.clear();
    this.#turns.clear();
    this.#channels.end();
    Deferred.doneUnsafe(this.#ended, Effect.fail(error));
    this.#hasLeft();
  }

  /** Ends all channels. Bytes that wait for the sockets are lost. */
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

  /** Sends until nothing is left, or the stream takes no more. */
  #pump(): void {
    const output = this.#output;
    if (output.error !== 0) return;
    for (let round = 0; !this.#channels.hasEnded && output.flush(); round++) {
      if (round === ROUNDS) {
        this.#goOnLater();
        return;
      }
      output.fill();
      while (this.#left === undefined && output.takesData && !this.#turns.isEmpty)
        this.#channels.read(this.#turns.next());
      if (output.isEmpty) {
        this.#hasLeft();
        return;
      }
    }
    // The far side is gone, but there may be unread bytes from it.
    if (output.error !== 0) this.#receive();
  }

  /** Reads what has arrived. After many rounds, other work gets a turn before the next ones. */
  #receive(): void {
    for (let round = 0; !this.#channels.hasEnded && !this.#isYielding; round++) {
      const got = this.#input.read();
      if (got === -Errno.EAGAIN) {
        if (this.#output.error !== 0) this.#fail("sendto", this.#output.error);
        return;
      }
      // The connection is reset if the far side ends without having read everything.
      if (got === 0 || got === -Errno.ECONNRESET) {
        const where = this.#input.isInFrame ? " in the middle of a frame" : "";
        this.#end(new StreamError({ problem: `it has ended${where}` }));
      } else if (isError(got)) this.#fail("recvfrom", got);
      else if (got >= PAYLOAD_AT_MOST || round === ROUNDS) this.#goOnLater();
    }
  }

  /** Schedules the continuation, at most once. */
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
