#!/usr/bin/env node
import module from "node:module";

// From Node 22.1 on: the second start does not compile anything.
module.enableCompileCache?.();
await import("../dist/cli.js");
