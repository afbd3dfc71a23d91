/* npm test [-- ARGS for vitest...]: builds what is needed and runs all tests. */
import "./setup.mjs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./pnpm.mjs";

// vitest by its file, so that it runs on the Node that runs this.
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const { status, signal } = spawnSync(process.execPath, [vitest, "run", ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
if (signal !== null) process.kill(process.pid, signal);
process.exitCode = status ?? 1;
