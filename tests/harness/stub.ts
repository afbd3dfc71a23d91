import { type StubCall, StubServer, type StubServerOptions } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { type Running, start } from "./spawn.ts";
import { tempDirectory } from "./temp.ts";

/** A stub that a caller of ours has launched, with its stdin open, and the caller's view of it. */
export interface Launched {
  readonly call: StubCall;
  readonly caller: Running;
  readonly directory: string;
}

/** Launches a stub of a server with options. */
export const launchStubWith = (
  options: StubServerOptions,
): Effect.Effect<Launched, unknown, Scope.Scope | LocalThread> =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory;
    const server = yield* StubServer.make(yield* LocalThread, directory, "stub", options);
    const caller = yield* start(`${directory}/stub`);
    return { call: yield* server.accept(), caller, directory };
  });

export const launchStub = launchStubWith({});

/** The ways by which calls and memory get to a stub. */
export const wires = [
  ["through shared memory", launchStub],
  ["over sockets", launchStubWith({ sharedMemory: false })],
] as const;
