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
const install = async () => {
  const stamp = join(root, "node_modules", ".rsyscall-installed");
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "pnpm-lock.yaml")))
    .update(process.version)
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  process.stderr.write("Installing packages...\n");
  await pnpm(["install", "--frozen-lockfile"]);
  mkdirSync(join(root, "node_modules"), { recursive: true });
  writeFileSync(stamp, wanted);
};

/**
 * Builds what has changed, with a line for each task that is done. What a task has written is shown if it fails: turbo
 * writes it in one piece, at the task's end, each line behind the name of the task.
 */
const build = async () => {
  const start = performance.now();
  const outputs = new Map();
  const args = ["--output-logs=new-only", "--log-order=grouped", "--ui=stream"];
  await pnpm(["exec", "turbo", "run", "build", "declarations", ...args], {
    onLine: (line) => {
      const [, task, text] = /^([^\s:]*:[^\s:]+): (.*)$/.exec(line) ?? [];
      if (task === undefined || text.startsWith("cache hit")) return;
      if (!text.startsWith("cache miss")) {
        outputs.get(task)?.push(text);
        return;
      }
      outputs.set(task, []);
      const seconds = ((performance.now() - start) / 1000).toFixed(1).padStart(5);
      process.stderr.write(`${seconds} s  ${task.replace(/^\/\/:|:build$/, "")}\n`);
    },
    explain: (errors) => {
      for (const [, name, kind] of errors.matchAll(/^(\S+)#(\S+): +ERROR/gm))
        process.stderr.write(`${outputs.get(`${name}:${kind}`)?.join("\n") ?? ""}\n`);
      process.stderr.write(errors);
    },
  });
};

checkTools();
await install();
process.stderr.write("Building...\n");
await build();
