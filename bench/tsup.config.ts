import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/main.ts", "src/echo.ts", "src/slowLinkChild.ts"],
  format: "esm",
  target: "node20",
  clean: true,
});
