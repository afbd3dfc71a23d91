import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { launchStub, launchStubWith } from "./stub.ts";

/** A kind of process in which tests act, and how a Thread of it is got. */
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
