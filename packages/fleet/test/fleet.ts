import { Hosts } from "@rsyscall/fleet";
import { Effect } from "effect";

/** Hosts that are processes of this machine, and one that cannot be opened. */
export const hosts = Hosts.layer({
  a: { command: ["env"] },
  b: { command: ["env"] },
  c: { command: ["env"] },
  closed: { command: ["false"] },
});

/** Waits until a state is as wanted, and gives it. The test fails after 10 s. */
export const until = <A, E, R>(effect: Effect.Effect<A, E, R>, isWanted: (value: A) => boolean) =>
  Effect.gen(function* () {
    for (const end = performance.now() + 10_000; ; ) {
      const value = yield* effect;
      if (isWanted(value)) return value;
      if (performance.now() > end) throw new Error(`it stays ${JSON.stringify(value)}`);
      yield* Effect.sleep(20);
    }
  });
