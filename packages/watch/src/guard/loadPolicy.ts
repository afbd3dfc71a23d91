import { createRequire } from "node:module";
import { resolve } from "node:path";
import { Effect } from "effect";
import { createJiti } from "jiti";
import { PolicyError } from "../errors.ts";
import type { Policy } from "./Policy.ts";

/**
 * Loads a policy: a TypeScript or JavaScript file whose default export is a function. It may import @rsyscall/watch,
 * wherever the file is.
 */
export const loadPolicy = (path: string): Effect.Effect<Policy, PolicyError> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: () => {
        const self = createRequire(import.meta.url).resolve("@rsyscall/watch");
        const jiti = createJiti(import.meta.url, { alias: { "@rsyscall/watch": self } });
        return jiti.import(resolve(path), { default: true });
      },
      catch: (cause) => new PolicyError({ path, problem: "cannot be loaded", cause }),
    }),
    (policy) =>
      typeof policy === "function"
        ? Effect.succeed(policy as Policy)
        : Effect.fail(
            new PolicyError({
              path,
              problem: "must have a function as its default export: export default (call) => ...",
            }),
          ),
  );
