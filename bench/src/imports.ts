import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Effect } from "effect";
import { interleaved } from "./interleaved.ts";
import type { Row } from "./Row.ts";

/** A process that imports modules, and prints the nanoseconds that it took. */
const importing = `
const start = process.hrtime.bigint();
for (const name of process.argv.slice(1)) await import(name);
console.log(String(process.hrtime.bigint() - start));
`;

const time = (urls: ReadonlyArray<string>) => () => [
  Number(
    execFileSync(process.execPath, ["--input-type=module", "-e", importing, ...urls], {
      encoding: "utf8",
    }),
  ),
];

/** The modules of Effect that a built package imports, and the packages of ours that it imports. */
const effectModules = (
  url: string,
  seen = new Map<string, ReadonlyArray<string>>(),
): ReadonlyArray<string> => {
  if (seen.has(url)) return [];
  seen.set(url, []);
  const text = readFileSync(fileURLToPath(url), "utf8");
  const names = [...text.matchAll(/^(?:import|\}) .*from "((?:effect|@rsyscall)\/[^"]+)";/gm)].map(
    ([, name = ""]) => import.meta.resolve(name),
  );
  const own = names.filter((name) => name.includes("/effect/"));
  const others = names.filter((name) => !name.includes("/effect/"));
  return [...new Set([...own, ...others.flatMap((name) => effectModules(name, seen))])];
};

/** Imports in fresh processes, beside that of what they use of Effect. */
export const imports = (): Effect.Effect<ReadonlyArray<Row>> =>
  Effect.gen(function* () {
    const stubServer = import.meta.resolve("@rsyscall/stub-server");
    const all = yield* interleaved<"ours" | "effect" | "whole", number, never, never>({
      ours: time([stubServer]),
      effect: time(effectModules(stubServer)),
      whole: time([import.meta.resolve("effect")]),
    });
    const row: Row = {
      name: "import of @rsyscall/stub-server",
      unit: "ns",
      samples: all.ours,
      floor: { name: "import of what it uses of effect", samples: all.effect },
      instead: { name: "import of effect", samples: all.whole },
    };
    return [row];
  });
