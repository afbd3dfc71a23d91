import { launchStub, launchStubWith } from "@rsyscall/harness";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";

/** A kind of Thread whose descriptors are waited for. */
export type ThreadKind = readonly [
  name: string,
  thread: Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>,
];

export const here: ThreadKind = ["in this process", LocalThread];

export const inFork: ThreadKind = [
  "in a fork",
  Effect.flatMap(LocalThread, (thread) => thread.fork()),
];

export const inStub: ThreadKind = ["in a stub", Effect.map(launchStub, ({ call }) => call.thread)];

export const inStubOverSockets: ThreadKind = [
  "in a stub over sockets",
  Effect.map(launchStubWith({ sharedMemory: false }), ({ call }) => call.thread),
];

export const threadKinds = [here, inFork, inStub, inStubOverSockets];
