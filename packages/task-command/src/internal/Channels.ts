import { Errno, SHUT } from "@rsyscall/abi";
import { isError } from "@rsyscall/near";
import { FRAME, WINDOW } from "@rsyscall/wire";
import type { Channel } from "./Channel.ts";
import { ChannelIds } from "./ChannelIds.ts";
import type { ChannelTurns } from "./ChannelTurns.ts";
import type { FrameHandler } from "./FrameReader.ts";
import type { Output } from "./Output.ts";
import { cut, keepByte, plantAt } from "./resets.ts";
import type { SocketCalls } from "./SocketCalls.ts";

/** The channels of a stream. It handles the events of their sockets and the frames of the far side. */
export class Channels implements FrameHandler {
  readonly #calls: SocketCalls;
  readonly #output: Output;
  readonly #turns: ChannelTurns;
  readonly #onBroken: (why: string) => void;
  readonly #open = new Map<number, Channel>();
  /** Channels that the far side has closed, but whose bytes are not all written to their sockets. */
  readonly #lingering = new Set<Channel>();
  /** Channels that this side has closed, until the far side answers; and whether END was sent before. */
  readonly #closing = new Map<number, boolean>();
  /** The channel of the current DATA frame. Undefined if it is closed. */
  #receiving: Channel | undefined;
  readonly ids = new ChannelIds((id) => this.#open.has(id) || this.#closing.has(id));
  hasEnded = false;

  /** @param onBroken ends the stream, because the far side violates the protocol */
  constructor(
    calls: SocketCalls,
    output: Output,
    turns: ChannelTurns,
    onBroken: (why: string) => void,
  ) {
    this.#calls = calls;
    this.#output = output;
    this.#turns = turns;
    this.#onBroken = onBroken;
  }

  get(id: number): Channel | undefined {
    return this.#open.get(id);
  }

  add(channel: Channel): void {
    this.#open.set(channel.id, channel);
  }

  #has(channel: Channel): boolean {
    return this.#open.get(channel.id) === channel;
  }

  /** The number of open channels. */
  get size(): number {
    return this.#open.size;
  }

  /** The number of channels that the far side counts. */
  get taken(): number {
    return this.#open.size + this.#closing.size;
  }

  /**
   * Ends all channels, because the stream has ended. The other ends of the sockets first get the received bytes, and
   * then ECONNRESET, unless the far side has sent END.
   */
  end(): void {
    this.hasEnded = true;
    this.#closing.clear();
    const channels = [...this.#open.values()];
    cut(
      this.#calls,
      channels.filter(({ gotEnd }) => !gotEnd),
    );
    for (const channel of channels) this.#dropWhenWritten(channel);
  }

  /** Drops the bytes that wait for sockets. */
  endLingering(): void {
    for (const channel of this.#lingering) {
      channel.isCut = true;
      this.drop(channel);
    }
  }

  // ---- From the sockets ----

  /** Handles a socket that can be read or written. */
  onReady(channel: Channel): void {
    if (channel.unwritten.length > 0) {
      channel.writeOn(this.#calls);
      if (channel.cannotWrite) this.#stopWriting(channel);
      this.#afterWriting(channel);
    }
    if (!this.#has(channel)) return;
    if (channel.saidEnd) {
      if (this.#calls.hasHungUp(channel.fd)) this.#close(channel);
      return;
    }
    channel.isReadable = true;
    this.#turns.add(channel);
  }

  /** As `onReady`, for a socket into which this process has just written. */
  onSent(channel: Channel): void {
    if (!this.#has(channel) || channel.saidEnd) return;
    channel.isReadable = true;
    this.#turns.add(channel);
  }

  /**
   * Prepares for the shutdown for writing of the other end of a channel's socket.
   *
   * @param fd a descriptor of that end
   */
  onShutdown(channel: Channel, fd: number): void {
    if (this.#has(channel)) keepByte(this.#calls, channel, fd);
  }

  /** Handles a channel's turn: makes a frame of bytes from its socket. */
  read(channel: Channel): void {
    if (!this.#has(channel)) return;
    const got = channel.receive(this.#calls, this.#output.dataAt);
    if (got === -Errno.EAGAIN) {
      channel.isReadable = false;
      // Everything that was written to the socket has been sent by now.
      if (channel.cannotWrite) this.#close(channel);
    } else if (isError(got)) this.#close(channel);
    else if (got === 0) this.#sayEnd(channel);
    else {
      this.#output.addData(channel.id, got);
      channel.credit -= got;
      this.#turns.add(channel);
    }
  }

  #sayEnd(channel: Channel): void {
    if (channel.cannotWrite || (!channel.gotEnd && this.#calls.hasHungUp(channel.fd))) {
      this.#close(channel);
      return;
    }
    channel.saidEnd = true;
    // Credit for the sent bytes may still come.
    channel.isReadable = false;
    this.#output.say(channel.id, FRAME.END);
    this.#dropIfDone(channel);
  }

  // ---- From the far side ----

  beginData(id: number, size: number): void {
    const channel = this.#open.get(id);
    this.#receiving = channel;
    if (channel === undefined) return;
    if (channel.gotEnd) this.broken("data after the end of a channel");
    else if (size > channel.granted) this.broken("more data than was granted");
    else channel.granted -= size;
  }

  takeData(at: number, length: number): void {
    const channel = this.#receiving;
    if (channel === undefined || !this.#has(channel)) return;
    channel.write(this.#calls, at, length);
    if (channel.cannotWrite) this.#stopWriting(channel);
    this.#giveCredit(channel);
  }

  takeFrame(id: number, type: number, credit: number): void {
    const channel = this.#open.get(id);
    if (channel === undefined) this.#takeAnswer(id, type);
    else if (type === FRAME.CREDIT) this.#takeCredit(channel, credit);
    else if (type === FRAME.END) this.#takeEnd(channel);
    else this.#takeClose(channel);
  }

  broken(why: string): void {
    this.#onBroken(why);
  }

  #takeCredit(channel: Channel, credit: number): void {
    if (credit > WINDOW - channel.credit) {
      this.broken("more credit than a window");
      return;
    }
    channel.credit += credit;
    this.#turns.add(channel);
  }

  #takeEnd(channel: Channel): void {
    if (channel.gotEnd) {
      this.broken("a channel ends twice");
      return;
    }
    channel.gotEnd = true;
    this.#afterWriting(channel);
  }

  #takeClose(channel: Channel): void {
    this.#say(channel.id, FRAME.CLOSE);
    this.#dropWhenWritten(channel);
  }

  /** Handles a frame of a closed channel: an answer to CLOSE, or a frame that has crossed it. */
  #takeAnswer(id: number, type: number): void {
    const saidEnd = this.#closing.get(id);
    if (saidEnd === undefined) return;
    if (type === FRAME.CLOSE || (type === FRAME.END && saidEnd)) this.#closing.delete(id);
  }

  // ---- What becomes of a channel ----

  #say(id: number, type: number, numbers?: ReadonlyArray<number>): void {
    this.#output.say(id, type, numbers);
    this.#turns.schedule();
  }

  #afterWriting(channel: Channel): void {
    this.#giveCredit(channel);
    if (channel.unwritten.length > 0) return;
    if (this.#lingering.has(channel)) this.drop(channel);
    else if (channel.gotEnd) {
      if (!channel.cannotWrite) this.#calls.shutdown(channel.fd, SHUT.WR);
      this.#dropIfDone(channel);
    }
  }

  /** Stops writing, because the other end of the socket is not read any more. Bytes written there are still sent. */
  #stopWriting(channel: Channel): void {
    if (this.#lingering.has(channel)) return;
    if (channel.saidEnd) this.#close(channel);
    else {
      channel.isReadable = true;
      this.#turns.add(channel);
    }
  }

  #giveCredit(channel: Channel): void {
    if (!this.#has(channel)) return;
    const credit = channel.takeCredit();
    if (credit > 0) this.#say(channel.id, FRAME.CREDIT, [credit]);
  }

  /** Closes a channel, because the other end of its socket is closed. */
  #close(channel: Channel): void {
    // If it has ended both ways, the far side has forgotten it already.
    if (!channel.saidEnd || !channel.gotEnd) {
      this.#closing.set(channel.id, channel.saidEnd);
      this.#say(channel.id, FRAME.CLOSE);
    }
    this.drop(channel);
  }

  /** Forgets a channel for which no more frames are needed, and closes its socket. */
  drop(channel: Channel): void {
    if (this.#has(channel)) this.#open.delete(channel.id);
    this.#lingering.delete(channel);
    channel.unwritten.clear();
    // An empty socket closes without a reset, so that the other end sees the end of the stream.
    if (!channel.isCut) this.#calls.discard(channel.fd);
    channel.close();
  }

  /** As `drop`, after all received bytes are written to the socket. */
  #dropWhenWritten(channel: Channel): void {
    if (channel.unwritten.length === 0) {
      this.drop(channel);
      return;
    }
    this.#open.delete(channel.id);
    this.#lingering.add(channel);
    // For when the scope closes before all is written.
    plantAt(this.#calls, channel);
    // A process that writes to it gets an error, instead of blocking without reading.
    this.#calls.shutdown(channel.fd, SHUT.RD);
  }

  #dropIfDone(channel: Channel): void {
    if (channel.saidEnd && channel.gotEnd && channel.unwritten.length === 0) this.drop(channel);
  }
}
