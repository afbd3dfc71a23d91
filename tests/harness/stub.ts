import { type StubCall, StubServer, type StubServerOptions } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { type Running, start } from "./spawn.ts";
import { tempDirectory } from "./temp.ts";

/** A stub that a caller of the test has launched, with its stdin open, and the caller. */
export interface Launched {
  readonly call: StubCall;
  readonly caller: Running;
  readonly directory: string;
}

/** Launches a stub of a server with these options. */
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

/** The two ways by which calls and memory get to a stub. */
export const wires = [
  ["through shared memory", launchStub],
  ["over sockets", launchStubWith({ sharedMemory: false })],
] as const;
