import { accessSync, constants, readdirSync, realpathSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/** Directories of a PATH. One that is not absolute depends on where a program runs. */
export const directoriesOf = (searchPath: string): ReadonlyArray<string> =>
  searchPath.split(":").filter((directory) => directory.startsWith("/"));

/** The program of a name that PATH finds; undefined if it finds none. */
export const findProgram = (searchPath: string, name: string): string | undefined =>
  directoriesOf(searchPath)
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return statSync(path).isFile();
      } catch {
        return false;
      }
    });

/**
 * In the directory `bin` of a mock, makes each name that PATH has a link to the stub, but those that are allowed: these lead to the real programs. A
 * file that cannot be executed may be among them; it could not be called before either.
 */
export const placeEverything = (
  bin: string,
  searchPath: string,
  allow: ReadonlyArray<string>,
): void => {
  const names = new Set(
    directoriesOf(searchPath).flatMap((path) => {
      try {
        return readdirSync(path);
      } catch {
        return [];
      }
    }),
  );
  for (const name of allow) {
    const real = findProgram(searchPath, name);
    if (real === undefined)
      throw new Error(`allow: ${name} is not in PATH, which is ${searchPath || "empty"}`);
    names.delete(name);
    // The name of a program that is a link itself may be what it goes by: of the directory alone the links are resolved.
    symlinkSync(join(realpathSync(join(real, "..")), name), `${bin}/${name}`);
  }
  for (const name of names) symlinkSync("../stub", `${bin}/${name}`);
};
