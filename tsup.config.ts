import { defineConfig } from "tsup";

/** How every package is built: one ES module, from `src/index.ts`. `scripts/declarations.mjs` declares its types. */
export default defineConfig({
  entry: ["src/index.ts"],
  format: "esm",
  target: "node20",
  sourcemap: true,
  // All but the declarations.
  clean: ["!**/*.d.{ts,cts}", "!**/*.d.{ts,cts}.map"],
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
