import { type HandleFailure, Socket, type Task } from "@rsyscall/handle";
import type { Fd } from "@rsyscall/near";
import { WINDOW } from "@rsyscall/wire";
import { Effect, Scope } from "effect";
import { Backlog } from "./Backlog.ts";
import { ChannelEnd, type EndName } from "./ChannelEnd.ts";

/** One end of a socket pair, whose other end is somebody's here, and what is at the far side of it. */
export class Channel {
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
  readonly unwritten = new Backlog();
  /** Nobody reads at the other end of its socket. */
  cannotWrite = false;
  saidEnd = false;
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
}
