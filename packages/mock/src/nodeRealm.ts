import { runInThisContext } from "node:vm";

/*
 * Test runners have realms of their own (contexts of node:vm), where some things are copies and others are missing.
 * These are those of Node itself.
 */

/** In a test of Jest `process` is a copy: its environment is not what programs get, and its events never come. */
export const nodeProcess = runInThisContext("process") as NodeJS.Process;

/** Loads an ES module where Jest has loaded CommonJS, and refuses `import()`. Every supported Node can require it. */
export const nodeRequire = (path: string): unknown =>
  nodeProcess.getBuiltinModule("node:module").createRequire(path)(path);
