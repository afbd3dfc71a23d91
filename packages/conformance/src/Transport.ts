import type { LocalThread, Thread } from "@rsyscall/thread";
import { Context, type Duration, type Effect, type Scope } from "effect";

/** What a transport may honestly be unable to do. Each is a reason, which the skipped tests show. */
export interface Lacks {
  /**
   * The Thread is not a process of its own, as that of the controller is not: it must not block, end or
   * become another program.
   */
  readonly ownProcess?: string | undefined;
  /** Its table has descriptors of others: of the program that it runs in, or of a task that shares it. */
  readonly ownDescriptors?: string | undefined;
  /** It cannot make children that serve. */
  readonly children?: string | undefined;
  /** Descriptors cannot be passed, as to another host. */
  readonly fdPassing?: string | undefined;
  /** Its memory is not the controller's as well. */
  readonly sharedMemory?: string | undefined;
  /** No namespaces can be had there. */
  readonly namespaces?: string | undefined;
  /** There is no /bin/sh. */
  readonly programs?: string | undefined;
  /** There is no /proc, or that of another pid namespace. */
  readonly proc?: string | undefined;
}

/** A way to get a Thread. */
export interface TransportUnderTest {
  /** A new Thread; the scope ends it. */
  readonly makeThread: () => Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>;
  /**
   * Cuts the connection or kills what serves, abruptly. Without it the behaviours at a hang-up are
   * skipped.
   */
  readonly cut?: ((thread: Thread) => Effect.Effect<void, unknown>) | undefined;
  /**
   * A program, and its arguments, that gets Threads in the same way and holds them: `holdThreads` of
   * `@rsyscall/conformance/controller`. Without it, it is not checked what becomes of them when their controller dies.
   */
  readonly controller?: readonly [program: string, ...args: ReadonlyArray<string>] | undefined;
  /** What it cannot do. */
  readonly lacks?: Lacks | undefined;
  /** How long one behaviour may take. Default 10 seconds. */
  readonly timeout?: Duration.Input | undefined;
}

/** The transport whose behaviour is looked at now. */
export class Subject extends Context.Service<
  Subject,
  {
    readonly transport: TransportUnderTest;
    /** What the behaviour waits for: of one that does not end, nothing else is known. */
    waitsFor: string | undefined;
  }
>()("@rsyscall/conformance/Subject") {}
