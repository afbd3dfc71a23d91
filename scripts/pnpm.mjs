import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** The top of the repository. */
export const root = fileURLToPath(new URL("..", import.meta.url));

const { packageManager } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url)));

/** Runs the pnpm that package.json names, which npm fetches the first time. Ends this process if it fails. */
export const pnpm = (args, { quiet = false } = {}) => {
  const { status, signal, error, stdout, stderr } = spawnSync(
    "npx",
    ["--yes", packageManager, ...args],
    {
      cwd: root,
      stdio: quiet ? "pipe" : ["ignore", 2, 2],
      env: {
        ...process.env,
        // The Node that runs this script need not be the first in PATH.
        PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
        TURBO_TELEMETRY_DISABLED: "1",
        npm_config_update_notifier: "false",
        npm_config_loglevel: "error",
      },
    },
  );
  if (error !== undefined) fail(`Cannot run npx, which comes with npm: ${error.message}`);
  if (status === 0) return;
  if (quiet) process.stderr.write(`${stdout}${stderr}`);
  if (signal !== null) process.kill(process.pid, signal);
  fail(`'${["pnpm", ...args].join(" ")}' failed; its output is above.`, status ?? 1);
};

/** Prints one line and ends. */
export const fail = (message, status = 1) => {
  process.stderr.write(`rsyscall: ${message}\n`);
  process.exit(status);
};
