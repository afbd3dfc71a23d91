import { closeSync, openSync, writeSync } from "node:fs";
import { Effect, type Scope } from "effect";
import { OutputError } from "../errors.ts";

/** A file that is written in parts. */
export interface Output {
  readonly write: (text: string) => void;
}

/**
 * Opens a file for output, before the command runs: a path that cannot be written is an error at once.
 *
 * @param flags as of Node's `fs.open`
 */
export const openOutput = (
  path: string,
  flags: "w" | "a",
): Effect.Effect<Output, OutputError, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.try({
        try: () => openSync(path, flags),
        catch: (cause) => new OutputError({ path, cause }),
      }),
      (fd) => Effect.sync(() => closeSync(fd)),
    ),
    (fd) => ({
      write: (text) => {
        const bytes = Buffer.from(text);
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      },
    }),
  );
