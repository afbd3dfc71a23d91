import { it, start } from "@rsyscall/harness";
import { Effect } from "effect";
import { assert, describe } from "vitest";

/*
 * A far side sends random frames to a multiplexer, which runs in a controller of its own: a test in a blocked or
 * dead process could not report it.
 */

const fixture = new URL("../fixtures/multiplexer.mjs", import.meta.url).pathname;

/** Seeds are fixed; RSYSCALL_FUZZ=10000 runs more. */
const ROUNDS = Number(process.env["RSYSCALL_FUZZ"] ?? 80);

interface Result {
  readonly seed: number;
  readonly breaks: boolean;
  readonly isRight: boolean;
  readonly end: string;
  readonly read: string;
}

describe("a multiplexer", () => {
  it("takes frames of any kind", function* () {
    const controller = yield* start(process.execPath, [fixture, "1", String(ROUNDS)]);
    const { stdout, stderr } = yield* controller.ended.pipe(
      Effect.timeoutOrElse({
        duration: `${20 + ROUNDS / 20} seconds`,
        orElse: () => Effect.die("the controller is blocked"),
      }),
    );
    assert.equal(stderr.toString(), "");
    const seen: {
      readonly longest: number;
      readonly rss: number;
      readonly results: ReadonlyArray<Result>;
    } = JSON.parse(stdout.toString());
    assert.equal(seen.results.length, ROUNDS);
    // A channel that was used correctly has lost no bytes, and got none of others.
    assert.deepEqual(
      seen.results.filter(({ isRight }) => !isRight),
      [],
    );
    for (const { seed, end } of seen.results) assert.match(end, /StreamError/, `seed ${seed}`);
    const broken = seen.results.filter(({ end }) => end.includes("is broken"));
    assert.isAbove(broken.length, ROUNDS / 10, "it does not only hear what is in order");
    assert.deepEqual(
      broken.filter(({ breaks }) => !breaks),
      [],
    );
    // The event loop turns; the limits leave room for a busy machine, and for Node's own memory.
    assert.isBelow(seen.longest, 1000);
    assert.isBelow(seen.rss, 400);
  });
});
