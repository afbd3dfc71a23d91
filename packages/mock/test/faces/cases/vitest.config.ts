import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/*
 * As a project of a user: the package as it was built, and not part of what vitest transforms. Each pool is a project
 * of its own, so that one process runs them all.
 */

const pools = ["threads", "forks", "vmThreads", "vmForks"] as const;

/** A busy machine has more time than a user. */
const testTimeout = 30_000;

const server = { deps: { external: [/packages\/mock\/dist\//] } };

const only = process.env["CASES"] ?? "works";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  test: {
    projects:
      only === "works"
        ? [
            ...pools.map((pool) => ({
              test: { name: pool, pool, server, testTimeout, include: ["works.case.ts"] },
            })),
            {
              test: {
                name: "not isolated",
                isolate: false,
                maxWorkers: 1,
                server,
                testTimeout,
                include: ["works.case.ts", "again.case.ts"],
              },
            },
          ]
        : [
            {
              test: {
                name: only,
                pool: "forks",
                maxWorkers: 4,
                server,
                testTimeout,
                include: [`${only}*.case.ts`],
              },
            },
          ],
  },
});
