import type { LocalThread, Thread } from "@rsyscall/thread";
import { Context, type Duration, type Effect, type Scope } from "effect";

/** Features that a transport may lack. Each is a reason, which the skipped tests show. */
export interface Lacks {
  /**
   * The Thread is not a process of its own, for example because it is in the controller: it must not block, end or
   * execute another program.
   */
  readonly ownProcess?: string | undefined;
  /** Its table has foreign descriptors: of the program in which it runs, or of a task that shares the table. */
  readonly ownDescriptors?: string | undefined;
  /** It cannot make children that serve calls. */
  readonly children?: string | undefined;
  /** Descriptors cannot be passed, for example because it is on another host. */
  readonly fdPassing?: string | undefined;
  /** It does not share memory with the controller. */
  readonly sharedMemory?: string | undefined;
  /** It cannot make namespaces. */
  readonly namespaces?: string | undefined;
  /** There is no /bin/sh. */
  readonly programs?: string | undefined;
  /** There is no /proc, or /proc is that of another pid namespace. */
  readonly proc?: string | undefined;
}

/** A transport: a way to make Threads. */
export interface TransportUnderTest {
  /** Makes a new Thread; the scope ends it. */
  readonly makeThread: () => Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>;
  /**
   * Cuts the connection or kills the serving process, abruptly. Without it, the behaviours at a hang-up are skipped.
   */
  readonly cut?: ((thread: Thread) => Effect.Effect<void, unknown>) | undefined;
  /**
   * A program, and its arguments, that makes Threads in the same way and holds them: `holdThreads` of
   * `@rsyscall/conformance/controller`. Without it, the behaviours at the death of the controller are skipped.
   */
  readonly controller?: readonly [program: string, ...args: ReadonlyArray<string>] | undefined;
  /** The features that it lacks. */
  readonly lacks?: Lacks | undefined;
  /** How long one behaviour may take. Default 10 seconds. */
  readonly timeout?: Duration.Input | undefined;
}

/** The transport whose behaviour is being checked. */
export class Subject extends Context.Service<
  Subject,
  {
    readonly transport: TransportUnderTest;
    /** The event for which the behaviour waits, for the message if it does not end. */
    waitsFor: string | undefined;
  }
>()("@rsyscall/conformance/Subject") {}
