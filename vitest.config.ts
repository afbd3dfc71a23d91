import { configDefaults, defineConfig } from "vitest/config";

/** Tests run from the sources: see the condition `@rsyscall/source` in each package's exports. */
const conditions = ["@rsyscall/source"];

const include = ["packages/*/test/**/*.test.ts", "tests/**/*.test.ts", "examples/**/*.test.ts"];

/**
 * Packages whose test files share a process: to start one and to load Effect costs most files more than their tests.
 * The harness checks that each file leaves the process as it was.
 */
const sharing = [
  "packages/{abi,conformance,connection,epoller,far,handle,memory,near,nix,platform,seccomp,stub-server,task-command,task-persistent,task-ssh,task-stdin,thread,transport,watch,wire}/test/**/*.test.ts",
  "tests/{async,connection,newcomer,processes,stub-server,surface,trace,transports}/**/*.test.ts",
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
