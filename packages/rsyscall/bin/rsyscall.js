#!/usr/bin/env node
import module from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

// From Node 22.1 on: the second start does not compile anything. In the directory for temporary files, other users could
// have made the place before.
const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
module.enableCompileCache?.(join(cache, "rsyscall"));
await import("../dist/cli.js");
