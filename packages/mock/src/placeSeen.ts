import { readlinkSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { ExecCall } from "@rsyscall/seccomp";

/** What a link says; undefined if there is none. */
export const linkOf = (path: string): string | undefined => {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
};

/** The path of a call as its process sees it, for this process. */
export const seenPath = ({ pid, path }: Pick<ExecCall, "pid" | "path">): string =>
  path.replace(/^\/proc\/(self|thread-self)(?=\/)/, `/proc/${pid}`);

/** The place of a call: as `placeOf`, but of a path that is any process's word. */
export const placeSeen = (call: Pick<ExecCall, "pid" | "path">): string => {
  const path = seenPath(call);
  const [, fd, below] = /^\/(?:proc\/\d+|dev)\/fd\/(\d+)(\/.)?/.exec(path) ?? [];
  // A descriptor stands for its file. What is below its directory may be in another mount namespace, as behind a stub.
  if (fd !== undefined)
    return below === undefined ? (linkOf(`/proc/${call.pid}/fd/${fd}`) ?? path) : path;
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return path;
  }
};
