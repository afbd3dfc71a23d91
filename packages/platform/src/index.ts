/** Effect's ChildProcessSpawner over a Thread: programs run as its children. */
export * as ThreadChildProcessSpawner from "./ChildProcessSpawner.ts";
/** Effect's FileSystem over a Thread: the files that its process sees. */
export * as ThreadFileSystem from "./FileSystem.ts";
/** Effect's Path over a Thread: relative paths begin in its process's directory. */
export * as ThreadPath from "./Path.ts";
export { platformError } from "./platformError.ts";
/** Effect's Stdio and Console over a stub's call: the caller's descriptors 0, 1 and 2. */
export * as StubStdio from "./Stdio.ts";
/** All of Effect's services over a stub's call, in one layer. */
export * as StubServices from "./StubServices.ts";
/** Effect's Terminal over a stub's call: the terminal of the caller. */
export * as StubTerminal from "./Terminal.ts";
