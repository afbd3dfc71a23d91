import { fileURLToPath } from "node:url";

/** The folder of this package's own files, as stack traces show it. */
const own = fileURLToPath(new URL(".", import.meta.url));

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
    .filter(
      (line) => /^\s+at /.test(line) && !line.includes(own) && !line.includes(encodeURI(own)),
    );
  if (frames.length > 0) error.stack = [`${error.name}: ${error.message}`, ...frames].join("\n");
};
