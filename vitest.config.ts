import { configDefaults, defineConfig } from "vitest/config";

/** Tests run from the sources: see the condition `@rsyscall/source` in each package's exports. */
const conditions = ["@rsyscall/source"];

const include = ["packages/*/test/**/*.test.ts", "tests/**/*.test.ts", "examples/**/*.test.ts"];

/**
 * Packages whose test files share a process: to start one and to load Effect costs most files more than their tests.
 * The harness checks that each file leaves the process as it was.
 */
const sharing = [
  "packages/{abi,connection,epoller,far,handle,memory,near,thread,transport,wire}/test/**/*.test.ts",
];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    setupFiles: ["tests/harness/leaks.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      { extends: true, test: { name: "sharing", include: sharing, isolate: false } },
      {
        extends: true,
        test: {
          name: "alone",
          include,
          exclude: [...configDefaults.exclude, ...sharing],
          isolate: true,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
