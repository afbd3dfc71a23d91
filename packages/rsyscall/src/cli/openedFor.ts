import { openSync } from "node:fs";
import { UsageError } from "./UsageError.ts";

/** Opens the file of an option for output, before a command runs: what cannot be written is wrong usage. */
export const openedFor = (option: string, path: string): number => {
  try {
    return openSync(path, "w");
  } catch (error) {
    throw new UsageError(`${option}: ${path} cannot be written: ${(error as Error).message}`);
  }
};
