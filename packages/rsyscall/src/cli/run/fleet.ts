import { engines } from "../../../../fleet/package.json";
import { type FleetCommandOptions, runFleet } from "../fleet/runFleet.ts";

/** Runs a command on many hosts, where the package for that can run. */
export const run = async (options: FleetCommandOptions): Promise<number> => {
  const problem = unfit(process.versions.node);
  if (problem !== undefined) {
    process.stderr.write(`rsyscall fleet: ${problem}\n`);
    return 1;
  }
  let fleet: typeof import("@rsyscall/fleet");
  try {
    fleet = await import("@rsyscall/fleet");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    process.stderr.write(
      "rsyscall fleet: @rsyscall/fleet is not installed: npm left it out, with --omit=optional or on an older Node. " +
        "Install it: npm install @rsyscall/fleet\n",
    );
    return 1;
  }
  return runFleet(fleet, options);
};

/** Why this version of Node cannot run it. */
const unfit = (version: string): string | undefined => {
  const required = engines.node.replace(">=", "");
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = required.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
    ? undefined
    : `needs Node ${required} or newer, as Effect's cluster does; this is Node ${version}`;
};
