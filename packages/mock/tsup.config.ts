import base from "../../tsup.config.ts";

/**
 * The engine is a file of its own, for its worker thread. All it needs is in it, but the addon: one file loads in half
 * the time. The rest is for CommonJS (Jest) too.
 */
export default [
  { ...base, entry: ["src/index.ts"], format: ["esm", "cjs"] as const, shims: true },
  { ...base, entry: ["src/closures.ts"], dts: false, clean: false },
  {
    ...base,
    entry: { engine: "src/engine/main.ts" },
    dts: false,
    clean: false,
    noExternal: [/^effect/, /^@rsyscall\/(?!native)/],
    treeshake: true,
  },
];
