import { syscall } from "@rsyscall/native";
import { getpid } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { interleaved } from "./interleaved.ts";
import type { Row } from "./Row.ts";

const CALLS = 1000;

/** A call in this process: typed, inside Effect, beside the bare one of the addon. */
export const localCall = (thread: Thread, scale: number) =>
  Effect.gen(function* () {
    const { sysif } = thread.task;
    const number = sysif.abi.syscallNumber("getpid") ?? 0;
    const rounds = 10 * scale;
    // Too short for the clock one by one.
    const measure = Effect.gen(function* () {
      const samples: Array<number> = [];
      for (let round = 0; round < rounds; round++) {
        const start = process.hrtime.bigint();
        for (let i = 0; i < CALLS; i++) yield* getpid(sysif);
        samples.push(Number(process.hrtime.bigint() - start) / CALLS);
      }
      return samples;
    });
    const measureFloor = () =>
      Array.from({ length: rounds }, () => {
        const start = process.hrtime.bigint();
        for (let i = 0; i < CALLS; i++) syscall(number);
        return Number(process.hrtime.bigint() - start) / CALLS;
      });
    const { samples, floor } = yield* interleaved(measure, measureFloor);
    const row: Row = {
      name: "local getpid, typed",
      samples,
      floor: { name: "the addon's bare call", samples: floor },
    };
    return [row];
  });
