import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

/** What a vitest of a user says of a test. */
export interface TestOutcome {
  /** The last part of the name of its file. */
  readonly file: string;
  /** With the names of its suites. */
  readonly name: string;
  readonly status: string;
  /** Messages, each with the stack behind it. */
  readonly failures: ReadonlyArray<string>;
}

export interface VitestRun {
  readonly status: number | null;
  readonly tests: ReadonlyArray<TestOutcome>;
  readonly output: string;
}

interface Report {
  readonly testResults: ReadonlyArray<{
    readonly name: string;
    readonly assertionResults: ReadonlyArray<{
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: ReadonlyArray<string>;
    }>;
  }>;
}

const vitest = fileURLToPath(new URL("../vitest.mjs", import.meta.resolve("vitest")));

/** Runs a vitest of its own, as a user does: on the built packages. */
export const runVitest = async (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
): Promise<VitestRun> => {
  const child = spawn(process.execPath, [vitest, "run", "--reporter=json", ...args], {
    // What the vitest of this test says to its workers is not for the other one.
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 110_000,
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const json = stdout.slice(stdout.indexOf('{"num'));
  const report = json.startsWith("{") ? (JSON.parse(json) as Report) : { testResults: [] };
  return {
    status: await ended,
    output: `${stdout}${stderr}`,
    tests: report.testResults.flatMap(({ name, assertionResults }) =>
      assertionResults.map(({ fullName, status, failureMessages }) => ({
        file: name.slice(name.lastIndexOf("/") + 1),
        name: fullName,
        status,
        failures: failureMessages,
      })),
    ),
  };
};
