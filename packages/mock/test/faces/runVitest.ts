import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What a vitest of a user says of a test. */
export interface Outcome {
  readonly project?: string;
  readonly name: string;
  readonly status: string;
  /** Messages, each with the stack behind it. */
  readonly failures: ReadonlyArray<string>;
}

export interface VitestRun {
  readonly status: number | null;
  readonly tests: ReadonlyArray<Outcome>;
  /** Why files and suites failed. */
  readonly suites: ReadonlyArray<string>;
  readonly output: string;
}

interface Report {
  readonly testResults: ReadonlyArray<{
    readonly message: string;
    readonly assertionResults: ReadonlyArray<{
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: ReadonlyArray<string>;
    }>;
  }>;
}

const vitest = fileURLToPath(new URL("../vitest.mjs", import.meta.resolve("vitest")));

/** Runs a vitest of its own on what a configuration names. */
export const runVitest = (
  config: string,
  env: Readonly<Record<string, string>> = {},
): VitestRun => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [vitest, "run", "--reporter=json", "--config", config],
    {
      // What the vitest of this test says to its workers is not for the other one.
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], NO_COLOR: "1", ...env },
      encoding: "utf8",
      timeout: 60_000,
    },
  );
  const json = stdout.slice(stdout.indexOf('{"num'));
  const report = json.startsWith("{") ? (JSON.parse(json) as Report) : undefined;
  return {
    status,
    output: `${stdout}${stderr}`,
    suites: report?.testResults.map(({ message }) => message).filter((text) => text !== "") ?? [],
    tests:
      report?.testResults.flatMap(({ assertionResults }) =>
        assertionResults.map(({ fullName, status, failureMessages }) => ({
          name: fullName,
          status,
          failures: failureMessages,
        })),
      ) ?? [],
  };
};
