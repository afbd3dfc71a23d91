import { mkdirSync } from "node:fs";
import { basename } from "node:path";
import type { HandleFailure } from "@rsyscall/handle";
import { type StubCall, StubServer, type StubServerError } from "@rsyscall/stub-server";
import type { ChildThread, Thread } from "@rsyscall/thread";
import { Effect, type Scope, Semaphore } from "effect";
import { cloneWithStubs, type Stubs } from "./mountNamespace.ts";
import { RunError } from "./runProgram.ts";

/**
 * The mocked paths of a mock. Each has a server, and a stub that names its socket: so the socket says which
 * path was called, also if a descriptor or a script has led to the stub.
 */
export class MockedPaths {
  readonly #directory: string;
  readonly #places = new Set<string>();
  readonly #stubs = new Map<string, string>();
  readonly #placeOfCall = new WeakMap<StubCall, string>();
  readonly #placing = Semaphore.makeUnsafe(1);

  /** @param directory of the mock */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes servers of places that have none yet. They live as long as the scope. */
  serve<R>(
    thread: Thread,
    places: ReadonlyArray<string>,
    handle: (call: StubCall) => Effect.Effect<number | void, unknown, R>,
  ): Effect.Effect<void, HandleFailure | RunError, Scope.Scope | R> {
    const serveOne = (place: string) =>
      Effect.gen({ self: this }, function* () {
        if (this.#stubs.has(place)) return;
        const directory = `${this.#directory}/paths/${this.#stubs.size}`;
        mkdirSync(directory, { recursive: true });
        const server = yield* StubServer.make(thread, directory, basename(place), {
          link: "script",
        }).pipe(
          Effect.mapError((error) =>
            error._tag === "StubServerError" ? unplaced(this.#directory, error) : error,
          ),
        );
        yield* Effect.forkScoped(
          server.serve((call) => {
            this.#placeOfCall.set(call, place);
            return handle(call);
          }),
        );
        this.#stubs.set(place, `${directory}/${basename(place)}`);
        this.#places.add(place);
      });
    return this.#placing.withPermit(Effect.forEach(places, serveOne, { discard: true }));
  }

  /** Makes a child that sees stubs at these places, which have servers; an ordinary child if there are none. */
  clone(
    thread: Thread,
    places: ReadonlyArray<string>,
  ): Effect.Effect<ChildThread, HandleFailure | RunError, Scope.Scope> {
    if (places.length === 0) return thread.fork();
    return Effect.suspend(() => cloneWithStubs(thread, this.#directory, this.stubs(places)));
  }

  /** The stub of each of these places, which have servers. */
  stubs(places: ReadonlyArray<string>): Stubs {
    return new Map(places.map((place) => [place, this.#stubs.get(place) as string]));
  }

  /** The places that have servers. */
  get places(): ReadonlySet<string> {
    return this.#places;
  }

  /** The place by which a call has come; undefined if it has come by its name. */
  placeOf(call: StubCall): string | undefined {
    return this.#placeOfCall.get(call);
  }
}

/** Why there can be no stub in the directory of the mock. */
const unplaced = (directory: string, error: StubServerError): RunError =>
  new RunError({
    problem:
      error.reason === "StubNotExecutable"
        ? `${directory} is on a file system that is mounted noexec: set TMPDIR to a directory on another one`
        : error.message,
  });
