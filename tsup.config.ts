import { readFile } from "node:fs/promises";
import { defineConfig } from "tsup";

/** An import of modules of Effect, as `import { Effect, type Scope } from "effect"`, or of `effect/cli`. */
const EFFECT = /^import \{([^}]*)\} from "(effect(?:\/[a-z]+)?)";/gm;

/**
 * The same by the path of each module: `effect` itself loads all of Effect. Lines stay where they are, for the source
 * map.
 */
const byModule = (source: string): string =>
  source.replace(EFFECT, (line, names: string, from: string) => {
    const imports = names
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "" && !name.startsWith("type "))
      .map((name) => {
        const [module, own = module] = name.split(" as ");
        return `import * as ${own} from "${from}/${module}";`;
      });
    return imports.join(" ") + "\n".repeat(line.split("\n").length - 1);
  });

/** How every package is built: one ES module, from `src/index.ts`. `scripts/declarations.mjs` declares its types. */
export default defineConfig({
  entry: ["src/index.ts"],
  format: "esm",
  target: "node20",
  sourcemap: true,
  // All but the declarations.
  clean: ["!**/*.d.{ts,cts}", "!**/*.d.{ts,cts}.map"],
  esbuildPlugins: [
    {
      name: "effect-by-module",
      setup: (build) =>
        build.onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, async ({ path }) => ({
          contents: byModule(await readFile(path, "utf8")),
          loader: "ts",
        })),
    },
  ],
  plugins: [
    {
      // esbuild makes `var Path = class _Path` of a class that mentions itself, and stack traces and
      // printed values would show that name. A space in place of `_` keeps the source map right.
      name: "class-names",
      renderChunk: (code) => {
        const renamed = [...code.matchAll(/^var (\w+?)\d* = class _\1\b/gm)].map(
          ([, name]) => name,
        );
        const names = new RegExp(`(?<![\\w$.])_(${renamed.join("|")})(?![\\w$])`, "g");
        return renamed.length === 0 ? undefined : { code: code.replace(names, " $1") };
      },
    },
  ],
});
