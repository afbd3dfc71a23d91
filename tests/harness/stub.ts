import { type StubCall, StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { type Running, start } from "./spawn.ts";
import { tempDirectory } from "./temp.ts";

/** A stub that a caller of ours has launched, with its stdin open, and the caller's view of it. */
export const launchStub: Effect.Effect<
  { readonly call: StubCall; readonly caller: Running; readonly directory: string },
  unknown,
  Scope.Scope | LocalThread
> = Effect.gen(function* () {
  const directory = yield* tempDirectory;
  const server = yield* StubServer.make(yield* LocalThread, directory, "stub");
  const caller = yield* start(`${directory}/stub`);
  return { call: yield* server.accept(), caller, directory };
});
