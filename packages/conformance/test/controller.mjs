/* A controller that holds Threads of one of the transports of these tests: its name, and a directory. */
import { spawn } from "node:child_process";
import { CLONE } from "@rsyscall/abi";
import { holdThreads } from "@rsyscall/conformance/controller";
import { StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";

const [name] = process.argv.slice(2);

const stub = (options) =>
  Effect.gen(function* () {
    const local = yield* LocalThread;
    const directory = yield* local.mkdtemp();
    const server = yield* StubServer.make(local, directory, "stub", options);
    spawn(`${directory.text}/stub`, { stdio: ["pipe", "inherit", "inherit"] });
    return (yield* server.accept()).thread;
  });

const fork = (parent) => Effect.flatMap(parent, (thread) => thread.fork());

const transports = {
  fork: fork(LocalThread),
  clone: Effect.flatMap(LocalThread, (thread) => thread.clone(CLONE.FILES)),
  forkOfFork: fork(fork(LocalThread)),
  stub: stub({}),
  socketStub: stub({ sharedMemory: false }),
  forkOfStub: fork(stub({})),
};

holdThreads(transports[name]);
