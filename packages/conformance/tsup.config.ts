import { defineConfig } from "tsup";
import config from "../../tsup.config.ts";

/** Controllers, and programs that check behaviours one by one, need no vitest. */
export default defineConfig({
  ...config,
  entry: ["src/index.ts", "src/withoutVitest.ts", "src/holdThreads.ts"],
});
