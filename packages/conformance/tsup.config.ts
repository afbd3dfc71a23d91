import { defineConfig } from "tsup";
import config from "../../tsup.config.ts";

/** Controllers are programs of their own, without vitest. */
export default defineConfig({ ...config, entry: ["src/index.ts", "src/holdThreads.ts"] });
