import { spawnSync } from "node:child_process";

/** Why a test cannot run here: the kernel or the sandbox gives no user namespaces, and none in them. */
export const noNamespaces: string | undefined =
  spawnSync("unshare", ["-Urmnpiu", "--fork", "true"]).status === 0
    ? undefined
    : "no user namespaces";
