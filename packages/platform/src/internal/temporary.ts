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

/** How many names are tried before it is somebody's plan that they all exist. */
const ATTEMPTS = 16;

/** A name that nobody can guess. */
export const randomName = (): string => randomBytes(8).toString("hex");

/** Where, and what the name begins with: a slash there would be the root. */
const place = (thread: Thread, { directory, prefix = "" }: TemporaryOptions) => ({
  directory: directory === "" ? "." : (directory ?? thread.environ.tmpdir.text),
  prefix: prefix.replace(/^\/+/, ""),
});

/** mkdtemp(3): a new directory that only the process's user may enter, and that stays. */
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

/** The same, and the scope removes it. */
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
