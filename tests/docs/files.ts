import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The top of the repository. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** The paths of all files below a folder, as seen from the root. Links, as in node_modules, are not followed. */
export const filesBelow = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : filesBelow(path);
    return entry.isFile() ? [path] : [];
  });

/** The folders of all packages, as seen from the root. */
export const packages: ReadonlyArray<string> = readdirSync(join(root, "packages")).map((name) =>
  join("packages", name),
);
