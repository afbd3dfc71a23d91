import { syscall } from "@rsyscall/native";
import { getpid, TextOutput, textSink, traced } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import koffi from "koffi";
import { interleaved, timedTogether } from "./interleaved.ts";
import type { Row } from "./Row.ts";

const TOGETHER = 1000;

/** Nanoseconds of a function, called in a loop. */
const called = (rounds: number, call: () => unknown) => (): Array<number> =>
  Array.from({ length: rounds }, () => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < TOGETHER; i++) call();
    return Number(process.hrtime.bigint() - start) / TOGETHER;
  });

/** A typed call in this process, inside Effect, beside bare ones. */
export const localCall = (thread: Thread, scale: number) =>
  Effect.gen(function* () {
    const { sysif } = thread.task;
    const number = sysif.abi.syscallNumber("getpid") ?? 0;
    const foreign = koffi.load(null).func("long syscall(long number)");
    const { typed, bare, koffis } = yield* interleaved({
      typed: timedTogether(4000 * scale, getpid(sysif)),
      bare: called(4 * scale, () => syscall(number)),
      koffis: called(4 * scale, () => foreign(number)),
    });
    const row: Row = {
      name: "getpid here, typed",
      unit: "ns",
      samples: typed,
      floor: { name: "a bare N-API call", samples: bare },
      instead: { name: "koffi, untyped", samples: koffis },
      aims: [{ ofFloor: 3 }],
    };
    return [row, ...(yield* tracedCall(thread, scale))];
  });

/** The same, traced: what a sink costs that does nothing, and text that goes to a file. */
const tracedCall = (thread: Thread, scale: number) =>
  Effect.gen(function* () {
    const { sysif } = thread.task;
    const output = TextOutput.open("/dev/null");
    const { typed, told, text } = yield* interleaved({
      typed: timedTogether(400 * scale, getpid(sysif)),
      told: timedTogether(400 * scale, getpid(traced(sysif, () => {}))),
      text: timedTogether(400 * scale, getpid(traced(sysif, textSink(output)))),
    });
    output.close();
    const floor = { name: "getpid here, typed", samples: typed };
    const rows: ReadonlyArray<Row> = [
      { name: "getpid here, told to a sink", unit: "ns", samples: told, floor },
      { name: "getpid here, traced as text", unit: "ns", samples: text, floor },
    ];
    return rows;
  });
