import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The top of the repository. */
export const root = fileURLToPath(new URL("..", import.meta.url));

const { packageManager } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url)));

/** How a program is run: here, by the Node that runs this script, which need not be the first in PATH. */
const options = {
  cwd: root,
  env: {
    ...process.env,
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    TURBO_TELEMETRY_DISABLED: "1",
    npm_config_update_notifier: "false",
    npm_config_loglevel: "error",
  },
};

/**
 * Runs the pnpm that package.json names, which npm fetches the first time. Ends this process if it fails.
 *
 * What it writes is shown, or `onLine` is given each line of it, and `explain` what stderr has if it fails.
 */
export const pnpm = async (args, { onLine, explain } = {}) => {
  const words = ["--yes", packageManager, ...args];
  const child = spawn("npx", words, {
    ...options,
    stdio: ["ignore", onLine === undefined ? 2 : "pipe", explain === undefined ? 2 : "pipe"],
  });
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text) => {
    errors += text;
  });
  const closed = once(child, "close").catch((error) =>
    fail(`Cannot run npx, which comes with npm: ${error.message}`),
  );
  if (onLine !== undefined) createInterface({ input: child.stdout }).on("line", onLine);
  const [status, signal] = await closed;
  if (status === 0) return;
  explain?.(errors);
  if (signal !== null) process.kill(process.pid, signal);
  fail(`'${["pnpm", ...args].join(" ")}' failed; its output is above.`, status ?? 1);
};

/** Prints one line and ends. */
export const fail = (message, status = 1) => {
  process.stderr.write(`rsyscall: ${message}\n`);
  process.exit(status);
};
