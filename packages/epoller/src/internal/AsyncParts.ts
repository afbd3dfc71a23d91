import type { BorrowFailure, FileDescriptor } from "@rsyscall/handle";
import { type Effect, Scope } from "effect";
import type { Epoller, LaterReadiness } from "../Epoller.ts";
import type { Readiness } from "../Readiness.ts";
import { Attempts } from "./Attempts.ts";
import { KeptBytes } from "./KeptBytes.ts";
import type { NonblockingCalls } from "./NonblockingCalls.ts";

/** The parts of an `AsyncFileDescriptor` that its operations use. */
export class AsyncParts<out A extends FileDescriptor> {
  readonly handle: A;
  /** Waits for the descriptor, and for those that are made by it. */
  readonly epoller: Epoller;
  readonly calls: NonblockingCalls;
  readonly attempts: Attempts;
  /** The scope of the registration and of the kept results. */
  readonly scope: Scope.Closeable;
  /** Bytes that were read for fibers that were interrupted. */
  readonly bytes = new KeptBytes();

  constructor(
    handle: A,
    epoller: Epoller,
    readiness: Readiness,
    calls: NonblockingCalls,
    scope: Scope.Closeable,
    wait?: LaterReadiness["wait"],
  ) {
    this.handle = handle;
    this.epoller = epoller;
    this.calls = calls;
    this.attempts = new Attempts(handle, readiness, wait);
    this.scope = scope;
  }

  /** Takes over a descriptor: this scope closes it from now on, instead of the scope in which it was made. */
  own<F extends FileDescriptor>(fd: F): Effect.Effect<F, BorrowFailure> {
    return Scope.provide(fd.move(this.handle.task), this.scope);
  }
}
