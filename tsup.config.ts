import { defineConfig } from "tsup";

/** How every package is built: one ES module and its declarations, from `src/index.ts`. */
export default defineConfig({
  entry: ["src/index.ts"],
  format: "esm",
  target: "node20",
  dts: true,
  sourcemap: true,
  clean: true,
});
