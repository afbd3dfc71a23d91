import { receiveMessageOnPort, workerData } from "node:worker_threads";
import { LocalThread } from "@rsyscall/thread";
import { Deferred, Effect, Exit, Scope } from "effect";
import { CallRing } from "../CallRing.ts";
import {
  type EngineData,
  type FromEngine,
  type PostedCall,
  TEST,
  type ToEngine,
} from "../messages.ts";
import { CallLog } from "./CallLog.ts";
import { forgetCommandLine } from "./commandLineOf.ts";
import { Engine } from "./Engine.ts";
import { MockServer } from "./MockServer.ts";
import { SpareNames } from "./SpareNames.ts";

/*
 * The worker thread in which the servers of all mocks are: it answers while the thread of the test is blocked.
 */

const { port, calls, test: words, spareNames: directory } = workerData as EngineData;

const ring = new CallRing(calls);
const test = new Int32Array(words);

const program = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const scope = yield* Effect.scope;
  const servers = new Map<
    number,
    { readonly server: MockServer; readonly scope: Scope.Closeable }
  >();

  const logs = new Map<number, CallLog>();

  const spareNames = new SpareNames(directory);
  yield* Effect.addFinalizer(() => Effect.sync(() => spareNames.remove()));
  yield* Effect.addFinalizer(() => Effect.sync(forgetCommandLine));

  let heard = 0;
  const engine = new Engine(
    (message: FromEngine) =>
      port.postMessage(
        message.type === "outcome" ? (logs.get(message.mock)?.logged(message) ?? message) : message,
      ),
    (call: PostedCall) => {
      const { mock } = call;
      const logged = logs.get(mock)?.logged(call) ?? call;
      if (!ring.put(logged)) port.postMessage(logged);
      else if (Atomics.load(test, TEST.WAITING) !== 0 || ring.isHalfFull)
        port.postMessage({ type: "wake", mock });
    },
    () => {
      const posted = Atomics.load(test, TEST.POSTED);
      if (posted === heard) return;
      heard = posted;
      for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
        hear(next.message as ToEngine);
    },
    spareNames,
  );

  const open = (mock: number, server: MockServer, serverScope: Scope.Closeable) =>
    server.listen().pipe(
      Scope.provide(serverScope),
      Effect.exit,
      Effect.tap((exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) engine.post({ type: "opened", mock });
          else {
            servers.delete(mock);
            engine.post({ type: "closed", mock, problem: engine.shown(exit.cause) });
          }
        }),
      ),
      Effect.asVoid,
    );

  const ended = Deferred.makeUnsafe<void>();

  const hear = (message: ToEngine): void => {
    switch (message.type) {
      case "end":
        Deferred.doneUnsafe(ended, Effect.void);
        return;
      case "open": {
        const serverScope = Scope.makeUnsafe();
        const server = new MockServer(engine, thread, message.mock, message.options, serverScope);
        const { log } = message.options;
        if (log !== undefined) logs.set(message.mock, new CallLog(log));
        servers.set(message.mock, { server, scope: serverScope });
        run(open(message.mock, server, serverScope));
        return;
      }
      case "rule":
        servers.get(message.mock)?.server.set(message.rule);
        return;
      case "run": {
        const running = servers.get(message.mock);
        if (running !== undefined)
          run(Scope.provide(running.server.run(message.run, message.request), running.scope));
        return;
      }
      case "endRun":
        run(servers.get(message.mock)?.server.runs.end(message.run) ?? Effect.void);
        return;
      case "stubs": {
        const { server, scope: serverScope } = servers.get(message.mock) ?? {};
        if (server !== undefined && serverScope !== undefined)
          run(Scope.provide(server.stubs(message.request, message.places), serverScope));
        return;
      }
      case "signalRun":
        run(
          servers.get(message.mock)?.server.runs.signal(message.run, message.signal) ?? Effect.void,
        );
        return;
      case "taken":
        servers.get(message.mock)?.server.taken(message.index, message.problem);
        return;
      case "heard":
        servers.get(message.mock)?.server.heard(message.index);
        return;
      case "predicate":
        engine.answered(message.request, message.answer);
        return;
      case "close": {
        const closing = servers.get(message.mock);
        servers.delete(message.mock);
        if (closing === undefined) return;
        run(
          Effect.map(Effect.exit(Scope.close(closing.scope, Exit.void)), (exit) => {
            logs.delete(message.mock);
            engine.post({
              type: "closed",
              mock: message.mock,
              problem: Exit.isFailure(exit) ? engine.shown(exit.cause) : undefined,
            });
          }),
        );
      }
    }
  };

  const services = yield* Effect.context<LocalThread>();
  const run = (effect: Effect.Effect<void>) => Effect.runForkWith(services)(Effect.asVoid(effect));

  yield* Scope.addFinalizer(
    scope,
    Effect.forEach(servers.values(), (it) => Scope.close(it.scope, Exit.void), { discard: true }),
  );
  port.on("message", hear);
  yield* Deferred.await(ended);
  port.close();
});

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
