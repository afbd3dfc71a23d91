import { printableLines } from "@rsyscall/near";
import { Cause, Deferred, Effect } from "effect";
import type { CallHandler } from "../Call.ts";
import { CLAIM, claims, type FromEngine, type PostedCall } from "../messages.ts";
import type { SpareNames } from "./SpareNames.ts";

/** What the servers of all mocks share: the way to the thread of the test. */
export class Engine {
  readonly #questions = new Map<number, Deferred.Deferred<boolean | string>>();
  #lastQuestion = 0;

  /** Tells the thread of the test. */
  readonly post: (message: FromEngine) => void;
  /** Tells it of a call. */
  readonly postCall: (call: PostedCall) => void;
  /** Hears all that the thread of the test has said until now. */
  readonly drain: () => void;
  readonly spareNames: SpareNames;

  constructor(
    post: (message: FromEngine) => void,
    postCall: (call: PostedCall) => void,
    drain: () => void,
    spareNames: SpareNames,
  ) {
    this.post = post;
    this.postCall = postCall;
    this.drain = drain;
    this.spareNames = spareNames;
  }

  /** Asks a predicate. Undefined if the thread of the test is blocked for longer than it may be. */
  ask(
    mock: number,
    id: number,
    text: string,
    blockedLimit: number,
  ): Effect.Effect<boolean | string | undefined> {
    return Effect.suspend(() => {
      const request = ++this.#lastQuestion;
      const claim = new SharedArrayBuffer(4);
      const answer = Deferred.makeUnsafe<boolean | string>();
      this.#questions.set(request, answer);
      this.post({ type: "predicate", mock, request, id, text, claim });
      return Deferred.await(answer).pipe(
        Effect.timeoutOrElse({
          duration: blockedLimit,
          orElse: () =>
            claims(claim, CLAIM.ENGINE) ? Effect.succeed(undefined) : Deferred.await(answer),
        }),
        Effect.ensuring(Effect.sync(() => this.#questions.delete(request))),
      );
    });
  }

  /** A predicate has answered. */
  answered(request: number, answer: boolean | string): void {
    const question = this.#questions.get(request);
    if (question !== undefined) Deferred.doneUnsafe(question, Effect.succeed(answer));
  }

  /** The handler that a module exports. */
  async load(url: string): Promise<CallHandler> {
    const { default: handler } = (await import(url.startsWith("/") ? `file://${url}` : url)) as {
      readonly default?: unknown;
    };
    if (typeof handler !== "function")
      throw new Error(
        `${url} has no default export that is a function: export default (call) => ...`,
      );
    return handler as CallHandler;
  }

  /** A failure as the thread of the test shows it. */
  shown(cause: Cause.Cause<unknown>): string {
    const error = Cause.squash(cause);
    return error instanceof Error ? error.message : printableLines(Cause.pretty(cause));
  }
}
