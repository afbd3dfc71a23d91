import { randomBytes } from "node:crypto";
import { type HandleFailure, mkdir } from "@rsyscall/handle";
import { catchErrno } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect, type PlatformError, type Scope } from "effect";
import { attempt } from "./attempt.ts";

export interface TemporaryOptions {
  readonly directory?: string | undefined;
  readonly prefix?: string | undefined;
}

/** Random names that are tried. That so many exist already can only be an attack. */
const ATTEMPTS = 16;

/** A name that cannot be guessed. */
export const randomName = (): string => randomBytes(8).toString("hex");

/** The directory, and the prefix of the name without leading slashes, which would mean the root. */
const place = (thread: Thread, { directory, prefix = "" }: TemporaryOptions) => ({
  directory: directory === "" ? "." : (directory ?? thread.environ.tmpdir.text),
  prefix: prefix.replace(/^\/+/, ""),
});

/** Makes a directory that only the process's user may enter, and that stays: mkdtemp(3). */
export const makeTemporaryDirectory = (
  thread: Thread,
  method: string,
  options: TemporaryOptions = {},
): Effect.Effect<string, PlatformError.PlatformError> => {
  const { directory, prefix } = place(thread, options);
  const make = (left: number): Effect.Effect<string, HandleFailure> => {
    const path = `${directory.replace(/\/+$/, "")}/${prefix}${randomName()}`;
    const made = Effect.as(mkdir(thread.task, path, 0o700), path);
    return left === 0 ? made : catchErrno("EEXIST", () => make(left - 1))(made);
  };
  return attempt(method, [directory, prefix], () => make(ATTEMPTS));
};

/** Makes a directory that the scope removes. */
export const makeTemporaryDirectoryScoped = (
  thread: Thread,
  method: string,
  options: TemporaryOptions = {},
): Effect.Effect<string, PlatformError.PlatformError, Scope.Scope> => {
  const { directory, prefix } = place(thread, options);
  return attempt(method, [directory, prefix], () =>
    Effect.map(thread.mkdtemp({ directory, prefix }), ({ text }) => text),
  );
};
