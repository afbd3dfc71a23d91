import base from "../../tsup.config.ts";

/**
 * The engine is a file of its own, for its worker thread. All it needs is in it, but the addon: one file loads in half
 * the time. The rest is for CommonJS (Jest) too, where the client is a chunk that `index` and `jest` share.
 */
export default [
  {
    ...base,
    entry: ["src/index.ts", "src/vitest.ts", "src/jest.ts", "src/effect.ts"],
    format: "esm" as const,
    external: ["vitest"],
  },
  {
    ...base,
    entry: ["src/index.ts", "src/jest.ts"],
    format: "cjs" as const,
    splitting: true,
    // tsup makes CommonJS of the chunks by a second step, whose maps lead to the chunks and not to the sources.
    sourcemap: false,
    clean: false,
    // A browser's document, which Jest may have, would be taken for the place of the file.
    define: { "import.meta.url": "importMetaUrl" },
    banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' },
  },
  { ...base, entry: ["src/closures.ts"], clean: false },
  {
    ...base,
    entry: { engine: "src/engine/main.ts" },
    clean: false,
    noExternal: [/^effect/, /^@rsyscall\/(?!native)/],
    treeshake: true,
    // It would be most of the package, and is of other packages' sources.
    sourcemap: false,
  },
];
