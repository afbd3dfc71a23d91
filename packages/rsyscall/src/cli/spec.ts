import { statSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Mock } from "@rsyscall/mock";
import { UsageError } from "./UsageError.ts";

/**
 * The function of a module with rules: its default export. TypeScript is loaded on every Node, and without a tsconfig.
 * It finds `@rsyscall/mock` also where the project has not installed it.
 */
export const loadSpec = async (file: string): Promise<(m: Mock) => unknown> => {
  const path = resolve(file);
  if (!statSync(path, { throwIfNoEntry: false })?.isFile())
    throw new UsageError(`--spec: there is no file ${file}`);
  const { createJiti } = await import("jiti");
  const jiti = createJiti(import.meta.url, {
    alias: { "@rsyscall/mock": fileURLToPath(import.meta.resolve("@rsyscall/mock")) },
    // A cache in TMPDIR has a name that others can guess: they could put another program there.
    fsCache: false,
  });
  const loaded: unknown = await jiti.import(path, { default: true });
  if (typeof loaded !== "function")
    throw new UsageError(
      `--spec: the default export of ${file} is no function: write export default (m) => { m.git("push"); }`,
    );
  return loaded as (m: Mock) => unknown;
};
