import { fileURLToPath, URL } from "node:url";

/** Where this package's own files are, as stack traces show them: as they were built, or by their source maps. */
const own = ["dist/", "src/"].map((folder) =>
  fileURLToPath(new URL(`../${folder}`, import.meta.url)),
);

/** A line of a program that uses the mock. */
export interface Place {
  readonly stack?: string;
}

/** The line that has called this package. V8 makes text of it only when it is read. */
export const placeHere = (): Place => {
  const place: Place = {};
  Error.captureStackTrace(place);
  return place;
};

/** Has an error shown at another line than the one that has made it: runners print the code around it. */
export const showAt = (error: Error, { stack = "" }: Place): void => {
  const frames = stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .filter(
      (line) => !own.some((folder) => line.includes(folder) || line.includes(encodeURI(folder))),
    );
  if (frames.length > 0) error.stack = [`${error.name}: ${error.message}`, ...frames].join("\n");
};
