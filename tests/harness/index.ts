export { it, run } from "./effect.ts";
export { type Ended, execute, type Running, type RunOptions, start } from "./spawn.ts";
export { tempDirectory } from "./temp.ts";
