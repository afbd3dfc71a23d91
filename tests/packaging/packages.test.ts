import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { assert, describe, it } from "vitest";

const folder = fileURLToPath(new URL("../../packages/", import.meta.url));

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly os?: ReadonlyArray<string>;
  readonly cpu?: ReadonlyArray<string>;
  readonly [field: string]: unknown;
}

const packages = readdirSync(folder)
  .filter((name) => existsSync(`${folder}${name}/package.json`))
  .map((name) => JSON.parse(readFileSync(`${folder}${name}/package.json`, "utf8")) as Manifest)
  .filter((manifest) => manifest.private !== true);

describe("the packages", () => {
  it("are told of alike: one version, where they are from, and no install script", () => {
    assert.equal(new Set(packages.map(({ version }) => version)).size, 1);
    for (const manifest of packages) {
      for (const field of ["keywords", "homepage", "bugs", "repository", "license"])
        assert.property(manifest, field, manifest.name);
      for (const script of Object.keys(manifest.scripts ?? {}))
        assert.notMatch(script, /install|prepare/, manifest.name);
    }
  });

  it("of platforms are for one machine each, and native for all of them", () => {
    const of = (name: string) => packages.find((manifest) => manifest.name === name);
    const native = of("@rsyscall/native");
    const platforms = Object.keys(native?.["optionalDependencies"] ?? {});
    assert.deepEqual(
      platforms.map((name) => of(name)?.cpu?.[0]).sort(),
      [...(native?.cpu ?? [])].sort(),
    );
    for (const name of platforms) assert.deepEqual(of(name)?.os, ["linux"]);
  });

  it("are required by CommonJS", () => {
    // vitest is no CommonJS, and the conformance tests are tests of vitest.
    const names = packages
      .filter(({ name, exports }) => exports?.["."] && name !== "@rsyscall/conformance")
      .map(({ name }) => name);
    const program = `
      for (const name of ${JSON.stringify(names)})
        if (Object.keys(require(name)).length === 0) throw new Error(name);
      console.log("all");`;
    const { stdout, stderr } = spawnSync(process.execPath, ["-e", program], {
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
      encoding: "utf8",
    });
    assert.equal(stdout, "all\n", stderr);
  });
});
