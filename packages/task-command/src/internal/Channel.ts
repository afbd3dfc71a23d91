import { type HandleFailure, Socket, type Task } from "@rsyscall/handle";
import { Effect, Scope } from "effect";
import { WINDOW } from "../frames.ts";
import { Backlog } from "./Backlog.ts";

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

  private constructor(id: number, socket: Socket, scope: Scope.Closeable) {
    this.id = id;
    this.socket = socket;
    this.scope = scope;
  }

  /**
   * A channel, and the end to give away, which is the caller's.
   *
   * @param scope ends the channel, unless its own scope has been closed before
   */
  static make(
    task: Task,
    id: number,
    scope: Scope.Scope,
  ): Effect.Effect<readonly [given: Socket, channel: Channel], HandleFailure, Scope.Scope> {
    return Effect.uninterruptible(
      Effect.gen(function* () {
        const own = yield* Scope.fork(scope);
        const [first, socket] = yield* Scope.provide(Socket.pair(task), own);
        socket.closeOnFork = true;
        const given = yield* first.move(task);
        given.closeOnFork = true;
        return [given, new Channel(id, socket, own)] as const;
      }),
    );
  }

  get fd(): number {
    return this.socket.near;
  }
}
