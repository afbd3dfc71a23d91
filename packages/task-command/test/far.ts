import { SHUT } from "@rsyscall/abi";
import { AsyncFileDescriptor, type Epoller } from "@rsyscall/epoller";
import { type HandleFailure, Socket, type Task } from "@rsyscall/handle";
import { CLOSE, CREDIT, DATA, END, frame, OPEN, u32, WINDOW } from "@rsyscall/harness/taskStream";
import { Cause, Effect, Fiber, type Scope } from "effect";
import { assert } from "vitest";

/** One frame, as it came. */
export interface Frame {
  readonly channel: number;
  readonly type: number;
  readonly payload: Buffer;
}

/** A channel, as the far side sees it. */
export class FarChannel {
  /** What has come, and was not read. */
  parts: Array<Buffer> = [];
  length = 0;
  hasEnded = false;
  closes = 0;
  /** Bytes that may be sent, and that may come. */
  credit = WINDOW;
  granted = WINDOW;
  /** Whether what comes is credited at once. */
  gives = true;
  /** Sends back what comes, and its end. */
  echoes = false;
  /** What it has not sent yet, for want of credit. */
  unsent = Buffer.alloc(0);
}

/**
 * The far side of a stream, by hand: it keeps what comes, and sends what it is told to. It holds the near
 * side to the protocol, and has no sockets.
 */
export class Far {
  readonly #socket: AsyncFileDescriptor<Socket>;
  readonly #channels = new Map<number, FarChannel>();
  readonly #waiting = new Set<() => void>();
  #input: Buffer = Buffer.alloc(0);
  #output: Array<Uint8Array> = [];
  #writing: Fiber.Fiber<void> | undefined;
  #isWriting = false;
  #reading: Fiber.Fiber<void, HandleFailure> | undefined;
  /** What an OPEN may name next, and the messages that came. */
  readonly opened: Array<{ readonly through: number; readonly first: number; count: number }> = [];
  readonly messages: Array<string> = [];
  readonly log: Array<Frame> = [];
  /** The near side has closed the stream. */
  hasEnded = false;
  #failure: Cause.Cause<unknown> | undefined;
  /** New channels send back what comes. */
  echoes = false;

  private constructor(socket: AsyncFileDescriptor<Socket>) {
    this.#socket = socket;
    this.#channels.set(0, new FarChannel());
  }

  /** A far side, and the near side's end of the stream to it. */
  static make(
    task: Task,
    epoller: Epoller,
  ): Effect.Effect<readonly [near: Socket, far: Far], HandleFailure, Scope.Scope> {
    return Effect.gen(function* () {
      const [near, end] = yield* Socket.pair(task);
      const far = new Far(yield* AsyncFileDescriptor.make(epoller, end));
      yield* far.read;
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          far.#stop,
          Effect.suspend(() => (far.#failure === undefined ? Effect.void : far.#died)),
        ),
      );
      return [near, far] as const;
    });
  }

  /** Reads what comes, from now on. */
  get read(): Effect.Effect<void> {
    const more: Effect.Effect<void, HandleFailure> = Effect.flatMap(
      this.#socket.readBytes(),
      (bytes) => {
        this.hasEnded = bytes.length === 0;
        this.#take(Buffer.from(bytes));
        return this.hasEnded ? Effect.void : more;
      },
    );
    return Effect.sync(() => {
      this.#reading = Effect.runFork(
        Effect.catchCause(more, (cause) =>
          Effect.sync(() => {
            if (!Cause.hasInterruptsOnly(cause)) this.#fail(cause);
          }),
        ),
      );
    });
  }

  /** Reads no more for now. */
  get pause(): Effect.Effect<void> {
    return Effect.suspend(() => Fiber.interrupt(this.#reading as Fiber.Fiber<void, unknown>));
  }

  get #stop(): Effect.Effect<void> {
    return Effect.suspend(() =>
      Effect.andThen(
        this.pause,
        this.#writing === undefined ? Effect.void : Fiber.interrupt(this.#writing),
      ),
    );
  }

  /** Closes the stream, behind what was sent. */
  get close(): Effect.Effect<void, HandleFailure> {
    return Effect.andThen(this.flushed, Effect.andThen(this.#stop, this.#socket.close()));
  }

  /** Never reads again, and says so. */
  get deafen(): Effect.Effect<void, HandleFailure> {
    return Effect.andThen(this.#stop, this.#socket.handle.shutdown(SHUT.RD));
  }

  /** What the near side did wrong, or that it is gone. */
  #fail(cause: Cause.Cause<unknown>): void {
    this.#failure = cause;
    this.hasEnded = true;
    this.#wake();
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
      this.#receive({
        channel: this.#input.readUInt32LE(at),
        type: this.#input.readUInt8(at + 7),
        payload: this.#input.subarray(at + 8, at + 8 + size),
      });
      at += 8 + size;
    }
    this.#input = this.#input.subarray(at);
    if (this.hasEnded) assert.equal(this.#input.length, 0, "ends between frames");
    this.#wake();
  }

  #receive(it: Frame): void {
    this.log.push(it);
    const { channel: id, type, payload } = it;
    if (type === OPEN) {
      this.#open(id, payload);
      return;
    }
    const channel = this.channel(id);
    if (channel.closes > 0 && type !== CLOSE) assert.fail(`type ${type} after CLOSE`);
    switch (type) {
      case DATA:
        assert.isFalse(channel.hasEnded, "data after the end");
        assert.isAtMost(payload.length, 65536);
        assert.isAtLeast(payload.length, 1);
        channel.granted -= payload.length;
        assert.isAtLeast(channel.granted, 0);
        if (channel.gives) this.giveCredit(id, payload.length);
        if (channel.echoes) this.sendData(id, payload);
        else {
          channel.parts.push(payload);
          channel.length += payload.length;
        }
        return;
      case END:
        assert.isFalse(channel.hasEnded, "ends twice");
        channel.hasEnded = true;
        this.#endEcho(id, channel);
        return;
      case CREDIT:
        assert.equal(payload.length, 4);
        channel.credit += payload.readUInt32LE(0);
        assert.isAtMost(channel.credit, WINDOW);
        this.#sendMore(id, channel);
        return;
      case CLOSE:
        channel.closes++;
        return;
      default:
        assert.fail(`a frame of type ${type}`);
    }
  }

  #open(through: number, payload: Buffer): void {
    const [first, count] = [payload.readUInt32LE(0), payload.readUInt32LE(4)];
    assert.isAtLeast(payload.length, 9);
    assert.isAtMost(payload.length, 8 + 4096);
    assert.isAtMost(count, 32);
    for (let id = first; id < first + count; id++) {
      assert.isFalse(this.#channels.has(id), `channel ${id} is free`);
      const channel = new FarChannel();
      channel.echoes = this.echoes;
      this.#channels.set(id, channel);
    }
    this.opened.push({ through, first, count });
    this.messages.push(payload.toString("latin1", 8));
  }

  channel(id: number): FarChannel {
    const channel = this.#channels.get(id);
    assert.isDefined(channel, `channel ${id} is there`);
    return channel as FarChannel;
  }

  get #died(): Effect.Effect<never> {
    return this.#failure === undefined
      ? Effect.die(new Error("the near side has closed the stream"))
      : Effect.die(Cause.squash(this.#failure));
  }

  /** Waits until something is so, as frames come in. */
  until(wanted: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const look = () => {
        if (!wanted() && !this.hasEnded) return;
        this.#waiting.delete(look);
        resume(wanted() && this.#failure === undefined ? Effect.void : this.#died);
      };
      this.#waiting.add(look);
      look();
      return Effect.sync(() => void this.#waiting.delete(look));
    });
  }

  /** Sends a frame, whatever it is. */
  send(channel: number, type: number, payload?: Uint8Array): void {
    this.sendRaw(frame(channel, type, payload));
  }

  sendRaw(bytes: Uint8Array): void {
    this.#output.push(bytes);
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#writing = Effect.runFork(Effect.ignore(this.#writeAll));
  }

  get #writeAll(): Effect.Effect<void, HandleFailure> {
    return Effect.suspend(() => {
      const bytes = Buffer.concat(this.#output);
      this.#output = [];
      if (bytes.length > 0)
        return Effect.flatMap(this.#socket.sendAllBytes(bytes), () => this.#writeAll);
      this.#isWriting = false;
      return Effect.void;
    });
  }

  /** Waits until the near side's socket has all that was sent. */
  get flushed(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.#writing === undefined ? Effect.void : Effect.ignore(Fiber.join(this.#writing)),
    );
  }

  giveCredit(id: number, credit: number): void {
    this.channel(id).granted += credit;
    this.send(id, CREDIT, u32(credit));
  }

  /** Sends bytes as DATA, as there is credit. */
  sendData(id: number, bytes: Uint8Array): void {
    const channel = this.channel(id);
    channel.unsent = Buffer.concat([channel.unsent, bytes]);
    this.#sendMore(id, channel);
  }

  #sendMore(id: number, channel: FarChannel): void {
    while (channel.credit > 0 && channel.unsent.length > 0) {
      const part = channel.unsent.subarray(0, Math.min(channel.credit, 65536));
      channel.unsent = channel.unsent.subarray(part.length);
      channel.credit -= part.length;
      this.send(id, DATA, part);
    }
    this.#endEcho(id, channel);
  }

  #endEcho(id: number, channel: FarChannel): void {
    if (!channel.echoes || !channel.hasEnded || channel.unsent.length > 0) return;
    channel.echoes = false;
    this.send(id, END);
  }

  /** The next so many bytes of a channel. */
  readData(id: number, length: number): Effect.Effect<Buffer> {
    const channel = this.channel(id);
    return Effect.map(
      this.until(() => channel.length >= length),
      () => {
        const all = Buffer.concat(channel.parts);
        channel.parts = [all.subarray(length)];
        channel.length -= length;
        return all.subarray(0, length);
      },
    );
  }
}
