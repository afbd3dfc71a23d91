import { execFileSync } from "node:child_process";

/** Lines of a program's output. */
const lines = (command, ...args) =>
  execFileSync(command, args, { encoding: "utf8" }).split("\n").filter(Boolean);

const newer = (a, b) => {
  const [x, y] = [a, b].map((version) => version.split(".").map(Number));
  for (let i = 0; i < 3; i++) if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) > (y[i] ?? 0);
  return false;
};

/** The C library of this process. */
const ownLibrary = () =>
  lines("ldd", process.execPath)
    .map((line) => /libc\.so\.6 => (\S+)/.exec(line)?.[1])
    .find(Boolean);

/**
 * What the addon needs of the process that loads it: libraries that it names, versions of symbols, and the oldest
 * glibc that has all functions. A function has been there since the lowest version with which this machine's glibc
 * offers it.
 */
export const needsOf = (addon) => {
  const libraries = lines("readelf", "-d", addon)
    .map((line) => /\(NEEDED\).*\[(.*)\]/.exec(line)?.[1])
    .filter(Boolean);
  const wanted = lines("objdump", "-T", addon)
    .filter((line) => line.includes("*UND*") && !/^\S+\s+w/.test(line))
    .map((line) => line.trim().split(/\s+/).slice(-2));
  const versions = wanted.map(([version]) => version).filter((version) => /GLIBC/.test(version));
  const functions = wanted.map(([, name]) => name).filter((name) => !/^(napi|uv)_/.test(name));
  const first = new Map();
  for (const line of lines("objdump", "-T", ownLibrary())) {
    const [, version, name] = /\(?GLIBC_([\d.]+)\)?\s+(\S+)$/.exec(line) ?? [];
    if (name !== undefined && (!first.has(name) || newer(first.get(name), version)))
      first.set(name, version);
  }
  const unknown = functions.filter((name) => !first.has(name));
  const floor = functions
    .map((name) => first.get(name) ?? "0")
    .reduce((a, b) => (newer(a, b) ? a : b), "0");
  return { libraries, versions, unknown, floor };
};
