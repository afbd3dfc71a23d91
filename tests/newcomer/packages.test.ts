import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { execute, it, noFleet } from "@rsyscall/harness";
import { assert, describe } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Those of platforms have no JavaScript. */
const packages = readdirSync(`${root}packages`).filter((name) =>
  existsSync(`${root}packages/${name}/src`),
);

const nameOf = (folder: string): string =>
  JSON.parse(readFileSync(`${root}packages/${folder}/package.json`, "utf8")).name;

describe("the built packages", () => {
  it("are found by require()", function* () {
    const names = packages.map(nameOf);
    // conformance is for vitest, which cannot be required, and fleet for a newer Node.
    const others = ["@rsyscall/conformance", ...(noFleet === undefined ? [] : ["@rsyscall/fleet"])];
    const wanted = JSON.stringify(names.filter((name) => !others.includes(name)));
    const { status, stderr } = yield* execute(
      process.execPath,
      [
        ...["--input-type=commonjs", "-e"],
        `for (const name of ${wanted}) if (Object.keys(require(name)).length === 0) throw name`,
      ],
      { cwd: root },
    );
    assert.equal(status, 0, stderr.toString());
  });

  it("have classes under their own names", function* () {
    yield* [];
    for (const name of packages)
      for (const file of readdirSync(`${root}packages/${name}/dist`))
        if (file.endsWith(".js"))
          assert.notMatch(
            readFileSync(`${root}packages/${name}/dist/${file}`, "utf8"),
            /= class _/,
            `${name}/${file}`,
          );
  });
});
