import type { FileDescriptor, HandleFailure } from "@rsyscall/handle";
import { type Effect, Scope } from "effect";
import type { Readiness } from "../Readiness.ts";
import { Attempts } from "./Attempts.ts";
import { KeptBytes } from "./KeptBytes.ts";
import type { NonblockingCalls } from "./NonblockingCalls.ts";

/** What the operations of an `AsyncFileDescriptor` are made of. */
export class AsyncParts<out A extends FileDescriptor> {
  readonly handle: A;
  readonly calls: NonblockingCalls;
  readonly attempts: Attempts;
  /** Of the registration, and of what is kept. */
  readonly scope: Scope.Closeable;
  /** What was read for fibers that were interrupted. */
  readonly bytes = new KeptBytes();

  constructor(handle: A, readiness: Readiness, calls: NonblockingCalls, scope: Scope.Closeable) {
    this.handle = handle;
    this.calls = calls;
    this.attempts = new Attempts(handle, readiness);
    this.scope = scope;
  }

  /** Takes a descriptor over: the scope of this one closes it, and that for which it was made does not. */
  own<F extends FileDescriptor>(fd: F): Effect.Effect<F, HandleFailure> {
    return Scope.provide(fd.move(this.handle.task), this.scope);
  }
}
