import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import * as module from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

const time = (urls: ReadonlyArray<string>, cache?: string) => () => [
  Number(
    execFileSync(process.execPath, ["--input-type=module", "-e", importing, ...urls], {
      encoding: "utf8",
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
    }),
  ),
];

/** A directory for compiled code. */
const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "rsyscall-bench-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true })),
);

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

/** Imports in fresh processes, beside that of what they use of Effect; with a compile cache as well, where Node has one. */
export const imports = (): Effect.Effect<ReadonlyArray<Row>> =>
  Effect.gen(function* () {
    const stubServer = import.meta.resolve("@rsyscall/stub-server");
    const measured = (cache?: string) =>
      interleaved<"ours" | "effect" | "whole", number, never, never>({
        ours: time([stubServer], cache),
        effect: time(effectModules(stubServer), cache),
        whole: time([import.meta.resolve("effect")], cache),
      });
    const row = (name: string, all: Effect.Success<ReturnType<typeof measured>>): Row => ({
      name,
      unit: "ns",
      samples: all.ours,
      floor: { name: "import of what it uses of effect", samples: all.effect },
      instead: { name: "import of effect", samples: all.whole },
    });
    const rows = [row("import of @rsyscall/stub-server", yield* measured())];
    if (!("enableCompileCache" in module)) return rows;
    const cached = yield* measured(yield* directory);
    return [...rows, row("import of @rsyscall/stub-server, NODE_COMPILE_CACHE set", cached)];
  }).pipe(Effect.scoped);
