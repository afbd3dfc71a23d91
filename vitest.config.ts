import { defineConfig } from "vitest/config";

/** Tests run from the sources: see the condition `@rsyscall/source` in each package's exports. */
const conditions = ["@rsyscall/source"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "tests/**/*.test.ts", "examples/**/*.test.ts"],
    setupFiles: ["tests/harness/leaks.ts"],
    // A process for every file: what leaks in one is not taken for another's.
    pool: "forks",
    isolate: true,
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
