/* Makes a fresh checkout ready: checks the tools, installs the packages, builds. Quick when nothing
 * has changed. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, pnpm, root } from "./pnpm.mjs";

const checkTools = () => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`This is Node ${process.versions.node}; Node 20.19 or newer is needed.`);
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch))
    fail(`This is ${process.platform}-${process.arch}; linux-x64 and linux-arm64 are supported.`);
  const missing = [process.env.CC ?? "cc", "make"].filter(
    (tool) => spawnSync(tool, ["--version"], { stdio: "ignore" }).error !== undefined,
  );
  if (missing.length > 0)
    fail(
      `${missing.join(", ")} not found: install a C compiler and make (Debian: apt-get install gcc make).`,
    );
};

/** Installs unless it was done for this very lock file. What is optional depends on the version of Node. */
const install = () => {
  const stamp = join(root, "node_modules", ".rsyscall-installed");
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "pnpm-lock.yaml")))
    .update(process.version)
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  process.stderr.write("Installing packages...\n");
  pnpm(["install", "--frozen-lockfile"]);
  mkdirSync(join(root, "node_modules"), { recursive: true });
  writeFileSync(stamp, wanted);
};

const build = () => {
  process.stderr.write("Building...\n");
  pnpm(["exec", "turbo", "run", "build", "--output-logs=errors-only"], { quiet: true });
};

checkTools();
install();
build();
