import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { O } from "@rsyscall/abi";
import type { FileDescriptor } from "@rsyscall/handle";
import { ExecWatch } from "@rsyscall/seccomp";
import { Command, type Thread } from "@rsyscall/thread";
import { guard, watch } from "@rsyscall/watch";
import { Effect } from "effect";
import { program } from "./cPrograms.ts";
import type { Row } from "./Row.ts";

/** Files that are compiled in one run of make. */
const FILES = 500;

/** A directory with small C files and a Makefile. */
const sources = (directory: string, count: number): string => {
  const path = join(directory, "compiles");
  mkdirSync(path, { recursive: true });
  const objects: Array<string> = [];
  for (let i = 0; i < count; i++) {
    writeFileSync(join(path, `f${i}.c`), `int f${i}(int a)\n{\n\treturn a + ${i};\n}\n`);
    objects.push(`f${i}.o`);
  }
  const rules = `all: ${objects.join(" ")}\n%.o: %.c\n\t@gcc -c -o $@ $<\nclean:\n\t@rm -f *.o\n`;
  writeFileSync(join(path, "Makefile"), rules);
  return path;
};

/** A policy as a user may write one. */
const policy = `
import { deny, type Policy } from "@rsyscall/watch";
const forbidden = new Set(["curl", "wget", "ssh", "sudo"]);
const policy: Policy = ({ name, args, cwd }) => {
  if (forbidden.has(name)) return deny(\`\${name} is not needed here\`);
  if (name === "rm" && args.includes("-rf") && cwd === "/") return "ask";
  return "allow";
};
export default policy;
`;

const timed = <E>(run: Effect.Effect<unknown, E>): Effect.Effect<number, E> =>
  Effect.suspend(() => {
    const start = process.hrtime.bigint();
    return Effect.map(run, () => Number(process.hrtime.bigint() - start));
  });

/** A build alone, watched and guarded. The order changes with each round, because a machine gets slower and faster. */
const builds = Effect.fnUntraced(function* (thread: Thread, directory: string, rounds: number) {
  const path = sources(directory, FILES);
  const file = join(directory, "policy.ts");
  writeFileSync(file, policy);
  const command = ["make", "-j4", "-C", path, "-s"] as const;
  const make = (yield* thread.which("make")).args(...command.slice(1));
  const ways = {
    alone: thread.run(make),
    watched: watch(thread, { command, live: "off", json: join(directory, "report.json") }),
    guarded: guard(thread, { command, policy: file, log: join(directory, "log") }),
  };
  const names = Object.keys(ways) as Array<keyof typeof ways>;
  const samples: Record<keyof typeof ways, Array<number>> = { alone: [], watched: [], guarded: [] };
  for (let round = -1; round < rounds; round++)
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round + names.length) % names.length] as keyof typeof ways;
      execFileSync("make", ["-s", "-C", path, "clean"]);
      const nanoseconds = yield* timed<unknown>(ways[name]);
      // The first round warms up.
      if (round >= 0) samples[name].push(nanoseconds);
    }
  const floor = { name: "the same alone", samples: samples.alone };
  const rows: Array<Row> = [
    {
      name: `make -j4 of ${FILES} small compiles, under watch`,
      unit: "ns",
      samples: samples.watched,
      floor,
      aims: [{ ofFloor: 1.03 }],
    },
    {
      name: `make -j4 of ${FILES} small compiles, under guard with a policy in TypeScript`,
      unit: "ns",
      samples: samples.guarded,
      floor,
      aims: [{ ofFloor: 1.08 }],
    },
  ];
  return rows;
});

/** Programs that do nothing, one after the other: the price of one exec. */
const spawns = Effect.fnUntraced(function* (thread: Thread, directory: string, count: number) {
  const output = join(directory, "spawns");
  const command = Command.make(program("launch"), String(count), "0", "1", program("true"));
  const measure = (run: (stdout: FileDescriptor) => Effect.Effect<unknown, unknown>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const stdout = yield* thread.open(output, O.WRONLY | O.CREAT | O.TRUNC, 0o600);
        yield* run(stdout);
        return readFileSync(output, "utf8")
          .trim()
          .split("\n")
          .map((line) => {
            const [, start = "", end = ""] = line.split(" ");
            return Number(BigInt(end) - BigInt(start));
          });
      }),
    );
  const alone: Array<number> = [];
  const watched: Array<number> = [];
  for (let round = 0; round < 5; round++) {
    alone.push(...(yield* measure((stdout) => thread.run(command, { stdout }))));
    watched.push(...(yield* measure((stdout) => ExecWatch.run(thread, command, { stdout }))));
  }
  const row: Row = {
    name: "posix_spawn of a static true in C, under ExecWatch",
    unit: "ns",
    samples: watched,
    floor: { name: "the same alone", samples: alone },
  };
  return row;
});

/** What it costs to see every exec of a tree. */
export const execs = (thread: Thread, directory: string, scale: number) =>
  Effect.gen(function* () {
    const row = yield* spawns(thread, directory, 40 * scale);
    return [row, ...(yield* builds(thread, directory, 1 + 2 * Math.floor(scale / 2)))];
  });
