import { statSync } from "node:fs";
import { resolve } from "node:path";
import { Effect } from "effect";
import { createJiti } from "jiti";
import { PolicyError } from "../errors.ts";
import { ask, deny, outside, type Policy, reply, rewrite } from "./Policy.ts";

/** What a policy file exports. */
export interface LoadedPolicy {
  /** The function that decides. */
  readonly policy: Policy;
  /** Programs whose calls it may answer, rewrite or have run outside. */
  readonly names: ReadonlyArray<string>;
}

/**
 * Loads a policy: a TypeScript or JavaScript file whose default export is a function. It may export `names` as well, and
 * import the verdicts and types of @rsyscall/watch, wherever the file is.
 */
export const loadPolicy = (path: string): Effect.Effect<LoadedPolicy, PolicyError> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: async () => {
        const file = resolve(path);
        // The loader would say which modules require it, and the user has none.
        if (!statSync(file, { throwIfNoEntry: false })?.isFile())
          throw new PolicyError({ path, problem: "there is no such file" });
        return createJiti(import.meta.url, {
          // The policy finds the functions that it needs, wherever it is, and no file is left behind.
          virtualModules: { "@rsyscall/watch": { ask, deny, outside, reply, rewrite } },
          fsCache: false,
        }).import(file);
      },
      catch: (cause) =>
        cause instanceof PolicyError
          ? cause
          : new PolicyError({ path, problem: "cannot be loaded", cause }),
    }),
    (module) => {
      const { default: policy, names = [] } = module as {
        readonly default?: unknown;
        readonly names?: unknown;
      };
      const refuse = (problem: string) => Effect.fail(new PolicyError({ path, problem }));
      if (typeof policy !== "function")
        return refuse("must have a function as its default export: export default (call) => ...");
      if (!Array.isArray(names) || !names.every((name) => typeof name === "string" && isName(name)))
        return refuse(
          'must export names or absolute paths of programs, if any: export const names = ["git", "/usr/bin/ssh"]',
        );
      return Effect.succeed({ policy: policy as Policy, names });
    },
  );

const isName = (name: string): boolean =>
  /^([^/\0]+|\/[^\0]*[^/\0])$/.test(name) && !/(^|\/)\.\.?$/.test(name);
