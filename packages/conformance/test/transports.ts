import { fileURLToPath } from "node:url";
import { CLONE } from "@rsyscall/abi";
import { launchStub, launchStubWith } from "@rsyscall/harness";
import type { Thread } from "@rsyscall/thread";
import { LocalThread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import type { TransportUnderTest } from "../src/index.ts";

/*
 * Ways to get a Thread, each with what it honestly lacks.
 */

/** A program that holds Threads of the same kind. */
const controller = (name: string): TransportUnderTest["controller"] => [
  process.execPath,
  fileURLToPath(new URL("controller.mjs", import.meta.url)),
  name,
];

/** Kills what serves. */
const cut = ({ task }: Thread) => Effect.sync(() => process.kill(task.pid, "SIGKILL"));

type MakeThread = Effect.Effect<Thread, unknown, Scope.Scope | LocalThread>;

const forkOf = (parent: MakeThread): MakeThread =>
  Effect.flatMap(parent, (thread) => thread.fork());

const ofOurProcess = "it is the controller's own process";

export const local: TransportUnderTest = {
  makeThread: () => LocalThread,
  lacks: { ownProcess: ofOurProcess, ownDescriptors: ofOurProcess },
};

export const fork: TransportUnderTest = {
  makeThread: () => forkOf(LocalThread),
  cut,
  controller: controller("fork"),
};

export const clone: TransportUnderTest = {
  makeThread: () => Effect.flatMap(LocalThread, (thread) => thread.clone(CLONE.FILES)),
  cut,
  controller: controller("clone"),
  lacks: { ownDescriptors: "it shares the controller's descriptors" },
};

export const forkOfFork: TransportUnderTest = {
  makeThread: () => forkOf(fork.makeThread()),
  cut,
  controller: controller("forkOfFork"),
};

export const stub: TransportUnderTest = {
  makeThread: () => Effect.map(launchStub, ({ call }) => call.thread),
  cut,
  controller: controller("stub"),
};

export const socketStub: TransportUnderTest = {
  makeThread: () => Effect.map(launchStubWith({ sharedMemory: false }), ({ call }) => call.thread),
  cut,
  controller: controller("socketStub"),
  lacks: { sharedMemory: "it goes over sockets" },
};

export const forkOfStub: TransportUnderTest = {
  makeThread: () => forkOf(stub.makeThread()),
  cut,
  controller: controller("forkOfStub"),
};
