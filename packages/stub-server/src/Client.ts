import { POLL } from "@rsyscall/abi";
import type { LocalCalls } from "@rsyscall/connection";
import type { AsyncFileDescriptor } from "@rsyscall/epoller";
import { type FileDescriptor, type HandleFailure, pollNow, type Socket } from "@rsyscall/handle";
import type { Roster } from "@rsyscall/near";
import { once, type Thread } from "@rsyscall/thread";
import type { Greeted } from "@rsyscall/transport";
import { Effect, Exit, Scope } from "effect";
import type { Greeting, Limits, WaitingClient } from "./limits.ts";

/** What the clients of a server have in common. */
export interface ClientHost {
  /** Of the listening socket. */
  readonly thread: Thread;
  /** Undefined if that is in another process. */
  readonly sockets: LocalCalls | undefined;
  readonly limits: Limits;
  /** Of the server. */
  readonly scope: Scope.Scope;
  /** Clients that are not closed. */
  readonly open: Roster<Client>;
}

/** The connection of a process that has called, until it has got its answer. */
export class Client implements WaitingClient {
  readonly socket: Socket;
  /** While the client is in its handshake, and that takes time. */
  greeting: Greeting | undefined;
  /** What its description takes of the budget. */
  bytes = 0;
  /** The memfd that has come with its hello, if the client is to close it. */
  arena: FileDescriptor | undefined;
  readonly #host: ClientHost;
  /** In the roster of the host. */
  readonly #number: number;
  #greeted: Greeted | undefined;
  #scope: Scope.Closeable | undefined;
  #afd: Effect.Effect<AsyncFileDescriptor<Socket>, HandleFailure> | undefined;
  #isPending = true;
  #isClosed = false;

  /**
   * Takes over a place of `pending`.
   *
   * @param scope closes the socket. Default: the client does.
   */
  constructor(host: ClientHost, socket: Socket, scope?: Scope.Closeable) {
    this.socket = socket;
    this.#host = host;
    this.#scope = scope;
    this.#number = host.open.add(this);
  }

  /** The socket, for waiting. It is registered at the first use. */
  get afd(): Effect.Effect<AsyncFileDescriptor<Socket>, HandleFailure> {
    this.#afd ??= once(
      Effect.suspend(() => Scope.provide(this.#host.thread.makeAfd(this.socket), this.scope)),
    );
    return this.#afd;
  }

  /** Closes with the client. */
  get scope(): Scope.Closeable {
    this.#scope ??= Scope.forkUnsafe(this.#host.scope);
    return this.#scope;
  }

  /** Whether the client was dropped, and is not served. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Its hello, which has come. */
  get greeted(): Greeted {
    if (this.#greeted === undefined) throw new Error("the client has not said hello");
    return this.#greeted;
  }

  set greeted(greeted: Greeted) {
    this.#greeted = greeted;
  }

  /** Gives back its place among those that are in their handshake or wait. */
  leave(): void {
    const { limits } = this.#host;
    limits.waiting.delete(this);
    if (this.#isPending) limits.pending.release();
    this.#isPending = false;
  }

  /** Sends without waiting: the number of bytes that the socket has taken, or -errno. Undefined if that takes an Effect. */
  sendNow(bytes: Uint8Array): number | undefined {
    return this.#isClosed ? undefined : this.#host.sockets?.send(this.socket, bytes);
  }

  /**
   * Closes the connection, and the memfd that came with the hello, and gives back all that the client has of the limits.
   * Gives an effect only where something is left to do.
   */
  release(): Effect.Effect<void> | undefined {
    if (this.#isClosed) return undefined;
    this.#isClosed = true;
    const { open, limits, sockets } = this.#host;
    open.delete(this.#number);
    this.leave();
    limits.bytes.release(this.bytes);
    this.bytes = 0;
    if (this.greeting !== undefined) limits.greetings.delete(this.greeting);
    const rest = this.#scope && Scope.closeUnsafe(this.#scope, Exit.void);
    if (sockets === undefined) return rest;
    const close = () => {
      if (this.arena !== undefined) sockets.close(this.arena);
      sockets.close(this.socket);
    };
    if (rest !== undefined) return Effect.ensuring(rest, Effect.sync(close));
    close();
    return undefined;
  }

  /** As `release`. */
  close(): Effect.Effect<void> {
    return Effect.suspend(() => this.release() ?? Effect.void);
  }

  hasHungUp(): Effect.Effect<boolean> {
    return Effect.match(pollNow(this.socket, POLL.RDHUP), {
      onFailure: () => true,
      onSuccess: (events) => events !== 0,
    });
  }
}
