export * as ThreadChildProcessSpawner from "./ChildProcessSpawner.ts";
export * as ThreadFileSystem from "./FileSystem.ts";
export * as ThreadPath from "./Path.ts";
export { platformError } from "./platformError.ts";
export * as StubStdio from "./Stdio.ts";
export * as StubServices from "./StubServices.ts";
export * as StubTerminal from "./Terminal.ts";
