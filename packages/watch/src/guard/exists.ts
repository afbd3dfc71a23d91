import { access } from "node:fs/promises";
import { Effect } from "effect";

/** Whether a file is there, as a process sees it. Another thread asks, because the file system may be slow. */
export const exists = (path: string, pid: number): Effect.Effect<boolean> =>
  Effect.promise(() =>
    access(path.startsWith("/") ? `/proc/${pid}/root${path}` : path).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== "ENOENT" && error.code !== "ENOTDIR",
    ),
  );
