import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, describe, test } from "vitest";
import { filesBelow, root } from "./files.ts";

/*
 * Comments and test names are plain English: they name the caller, the peer or the process. These words leave
 * the subject open, or are riddles.
 */

const words =
  /\b(nobody|somebody|anybody|whoever|whomever|who|whom)\b|\b(is|are) to be had\b|\bgoes? without\b|\bof whatever\b/i;

/** What may be said all the same: the user's name, a question that a program asks, an argument of getpriority(2). */
const allowed = ["`nobody`", "const nobody", "Who are you?", "@param who"];

/** Where the rule holds. A folder that follows it is added here. */
const folders = [
  ".ci",
  "bench/src",
  "examples/src",
  "packages/abi/src",
  "packages/conformance/src",
  "packages/connection/src",
  "packages/epoller/src",
  "packages/far/src",
  "packages/fleet/src",
  "packages/fleet/test",
  "packages/handle/src",
  "packages/memory/src",
  "packages/native/src",
  "packages/near/src",
  "packages/nix/src",
  "packages/nix/test",
  "packages/platform/src",
  "packages/platform/test",
  "packages/rsyscall/src",
  "packages/rsyscall/test",
  "packages/seccomp/src",
  "packages/seccomp/test",
  "packages/stub-server/src",
  "packages/task-command/src",
  "packages/task-persistent/src",
  "packages/task-ssh/src",
  "packages/task-stdin/src",
  "packages/thread/src",
  "packages/transport/src",
  "packages/watch/src",
  "packages/watch/test",
  "packages/wire/src",
  "scripts",
  "site",
  "tests",
];

const isComment = /^\s*(\/?\*|\/\/)|\s\/\/\s/;
const isTestName = /^\s*(it|test|describe|everywhere)\b.*["`]/;

describe("comments and test names are plain English", () => {
  for (const folder of folders)
    test(folder, () => {
      const files = filesBelow(folder).filter((path) => /\.(m?ts|mjs)$/.test(path));
      const faults = files.flatMap((path) =>
        readFileSync(join(root, path), "utf8")
          .split("\n")
          .map((text, i) => ({ text, place: `${path}:${i + 1}` }))
          .filter(({ text }) => isComment.test(text) || isTestName.test(text))
          .filter(({ text }) =>
            words.test(allowed.reduce((rest, one) => rest.replace(one, ""), text)),
          )
          .map(({ text, place }) => `${place}: ${text.trim()}`),
      );
      assert.deepEqual(faults, []);
    });
});
