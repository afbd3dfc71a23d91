/** The floors of the house, lowest first: a package imports only from floors below its own. */
const floors = [
  ["abi", "native"],
  ["wire"],
  ["near"],
  ["far"],
  ["memory"],
  ["handle"],
  ["epoller"],
  ["connection"],
  ["thread"],
  ["transport"],
  ["stub-server", "task-stdin", "task-command", "task-persistent", "nix", "seccomp"],
  ["task-ssh"],
  ["platform", "conformance", "mock"],
  ["watch", "fleet"],
  ["rsyscall"],
];

const packages = (names) => `^packages/(${names.join("|")})/`;

/** For each floor: nothing on it or above it, but a package's own files. */
const layering = floors.flatMap((floor, i) =>
  floor.map((name) => ({
    name: `${name}-imports-from-below`,
    severity: "error",
    comment: "See ARCHITECTURE.md: a package imports only from floors below its own.",
    from: { path: `^packages/${name}/src/` },
    to: {
      path: packages(floors.slice(i).flat()),
      pathNot: `^packages/${name}/`,
    },
  })),
);

module.exports = {
  forbidden: [
    ...layering,
    {
      name: "no-circles",
      severity: "error",
      comment: "Files that need each other belong together, or a third is missing.",
      from: {},
      // Types may refer to each other: nothing of it is left at run time.
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "abi-is-pure",
      severity: "error",
      comment: "abi is facts: it imports nothing.",
      from: { path: "^packages/abi/src/" },
      to: { pathNot: "^packages/abi/src/" },
    },
    {
      name: "wire-is-pure",
      severity: "error",
      comment: "wire is facts of stub-c, in the types of abi: it imports nothing else.",
      from: { path: "^packages/wire/src/" },
      to: { pathNot: "^packages/(wire|abi)/src/" },
    },
    {
      name: "no-private-doors",
      severity: "error",
      comment: "Another package's files are reached by its name alone.",
      from: { path: "^packages/([^/]+)/" },
      to: {
        path: "^packages/[^/]+/src/",
        // The entries of mock's exports map are names as well.
        pathNot: [
          "^packages/$1/",
          "^packages/[^/]+/src/index\\.ts$",
          "^packages/mock/src/(effect|jest|vitest)\\.ts$",
        ],
      },
    },
    {
      name: "sources-do-not-import-tests",
      severity: "error",
      // Benches use the servers of the test harness.
      from: { path: "/src/", pathNot: "^bench/" },
      to: { path: "/test/|^tests/" },
    },
    {
      name: "everything-resolves",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "/(dist|build)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      conditionNames: ["@rsyscall/source", "import", "node", "default", "types"],
      exportsFields: ["exports"],
      extensions: [".ts", ".mjs", ".js", ".cjs"],
    },
  },
};
