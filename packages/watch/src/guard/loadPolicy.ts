import { resolve } from "node:path";
import { Effect } from "effect";
import { createJiti } from "jiti";
import { PolicyError } from "../errors.ts";
import { ask, deny, type Policy } from "./Policy.ts";

/**
 * Loads a policy: a TypeScript or JavaScript file whose default export is a function. It may import
 * `ask`, `deny` and types of @rsyscall/watch, wherever the file is.
 */
export const loadPolicy = (path: string): Effect.Effect<Policy, PolicyError> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: () =>
        createJiti(import.meta.url, {
          // The policy finds the functions that it needs, wherever it is, and no file is left behind.
          virtualModules: { "@rsyscall/watch": { ask, deny } },
          fsCache: false,
        }).import(resolve(path), { default: true }),
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
