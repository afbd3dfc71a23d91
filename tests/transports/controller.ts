import { fileURLToPath } from "node:url";

/** The command of a controller that holds Threads of a transport. */
export const controller = (
  name: string,
): readonly [program: string, ...args: ReadonlyArray<string>] => [
  process.execPath,
  fileURLToPath(new URL("../fixtures/transports.mjs", import.meta.url)),
  name,
];
