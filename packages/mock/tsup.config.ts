import base from "../../tsup.config.ts";

/** The engine is a file of its own, for its worker thread. The rest is for CommonJS (Jest) too. */
export default [
  { ...base, entry: ["src/index.ts"], format: ["esm", "cjs"] as const, shims: true },
  { ...base, entry: { engine: "src/engine/main.ts" }, dts: false, clean: false },
];
