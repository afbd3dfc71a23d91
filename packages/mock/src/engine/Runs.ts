import type { ChildProcess } from "@rsyscall/thread";
import { Cause, Effect, Exit, Fiber, type Scope } from "effect";
import type { NotRun, Ran } from "../runMessages.ts";
import type { Engine } from "./Engine.ts";
import { RunError } from "./runProgram.ts";

/** The programs under test of a mock that run now. */
export class Runs {
  readonly #engine: Engine;
  readonly #mock: number;
  readonly #fibers = new Map<number, Fiber.Fiber<unknown, unknown>>();
  readonly #processes = new Map<number, ChildProcess>();

  constructor(engine: Engine, mock: number) {
    this.#engine = engine;
    this.#mock = mock;
  }

  /** Lets a program run, for as long as the scope, and tells how it has ended once nothing of it is left. */
  begin<E>(
    run: number,
    program: Effect.Effect<Ran, E, Scope.Scope>,
  ): Effect.Effect<void, never, Scope.Scope> {
    const told = Effect.scoped(program).pipe(
      Effect.onExit((exit) => Effect.sync(() => this.#tell(run, exit))),
    );
    return Effect.map(Effect.forkScoped(told), (fiber) => {
      this.#fibers.set(run, fiber);
    });
  }

  /** Ends a program, if it still runs. */
  end(run: number): Effect.Effect<void> {
    const fiber = this.#fibers.get(run);
    return fiber === undefined ? Effect.void : Fiber.interrupt(fiber);
  }

  /** A program runs. */
  started(run: number, process: ChildProcess): void {
    this.#processes.set(run, process);
    this.#engine.post({ type: "started", mock: this.#mock, run, pid: process.pid });
  }

  /** Sends a signal to a program, if it runs. */
  signal(run: number, signal: number): Effect.Effect<void> {
    return Effect.ignore(this.#processes.get(run)?.kill(signal) ?? Effect.void);
  }

  #tell(run: number, exit: Exit.Exit<Ran, unknown>): void {
    this.#fibers.delete(run);
    this.#processes.delete(run);
    const ran: Ran | NotRun = Exit.isSuccess(exit)
      ? exit.value
      : {
          problem: Cause.hasInterruptsOnly(exit.cause)
            ? "it was killed, because the mock was closed"
            : this.#engine.shown(exit.cause),
          status: statusOf(Cause.squash(exit.cause)),
        };
    this.#engine.post({ type: "ran", mock: this.#mock, run, ran });
  }
}

const statusOf = (error: unknown): NotRun["status"] =>
  error instanceof RunError ? error.status : undefined;
