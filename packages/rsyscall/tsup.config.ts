import { readdirSync } from "node:fs";
import base from "../../tsup.config.ts";

/** What the subcommands do, each in a file that is loaded when it is called. */
const runs = readdirSync("src/cli/run").filter((name) => name.endsWith(".ts"));

/**
 * The library; the command line with what it uses of Effect in one file, which is loaded in a third of the time; and
 * what the subcommands do. These share Effect with the packages that they use.
 */
export default [
  { ...base, entry: ["src/index.ts"] },
  {
    ...base,
    entry: { cli: "src/cli/main.ts" },
    clean: false,
    noExternal: [/^effect/],
    // That of all of Effect would be ten times its size.
    sourcemap: false,
    esbuildPlugins: [
      {
        name: "runs-are-loaded-when-called",
        setup: (build: {
          onResolve: (
            options: { filter: RegExp },
            resolve: (args: { path: string }) => { path: string; external: boolean },
          ) => void;
        }) =>
          build.onResolve({ filter: /^\.\.\/run\/.*\.ts$/ }, ({ path }) => ({
            path: path.replace("../run/", "./run/").replace(/\.ts$/, ".js"),
            external: true,
          })),
      },
    ],
  },
  {
    ...base,
    entry: Object.fromEntries(
      runs.map((name) => [`run/${name.slice(0, -3)}`, `src/cli/run/${name}`]),
    ),
    clean: false,
    // Of optional dependencies, tsup does not know that.
    external: ["@rsyscall/fleet"],
  },
];
