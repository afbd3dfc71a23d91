import { it, start } from "@rsyscall/harness";
import { Effect } from "effect";
import { assert, describe } from "vitest";

/*
 * A far side that sends random frames, against a multiplexer in a controller of its own: one that is
 * blocked or dies could not tell.
 */

const fixture = new URL("../fixtures/multiplexer.mjs", import.meta.url).pathname;

/** Seeds are fixed; more by a variable: `RSYSCALL_FUZZ=10000`. */
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
    // No bytes of others, and none that are lost, on a channel that was used as it should be.
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
    // It turns, with room for a machine that does other things too; memory is what Node itself takes, and some.
    assert.isBelow(seen.longest, 1000);
    assert.isBelow(seen.rss, 400);
  });
});
