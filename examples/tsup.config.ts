import { defineConfig } from "tsup";

/** The entries are the programs; the other files are their parts. */
export default defineConfig({
  entry: ["src/sendmail.ts"],
  format: "esm",
  target: "node20",
  clean: true,
});
