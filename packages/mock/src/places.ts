import { realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { MockError } from "./errors.ts";

/**
 * The place of a path, under which its calls are known: the links of its directory are resolved, so that `/bin/git` and
 * `/usr/bin/git` are one place where the one directory leads to the other. Its last name is what is mocked, be it a
 * file, a link, or nothing yet: what a link leads to may go by many names, as busybox does.
 *
 * @param path absolute, or relative to the working directory
 */
export const placeOf = (path: string): string => {
  if (path.endsWith("/") || path.includes("\0"))
    throw new MockError([`${JSON.stringify(path)} is no path of a program`]);
  const absolute = resolve(path);
  const place = join(resolvedDirectory(dirname(absolute), path), basename(absolute));
  if (isDirectory(place)) throw new MockError([`${path} is a directory, and no path of a program`]);
  return place;
};

/** A directory without links in its path. What does not exist has none. */
const resolvedDirectory = (directory: string, path: string): string => {
  let real: string;
  try {
    real = realpathSync(directory);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && directory !== "/")
      return join(resolvedDirectory(dirname(directory), path), basename(directory));
    throw new MockError([`${path} cannot be mocked: ${message}`]);
  }
  if (!isDirectory(real))
    throw new MockError([`${path} cannot be mocked: ${directory} is no directory`]);
  return real;
};

const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
