export {
  describeUnless,
  type Mock,
  type MockOptions,
  missing,
  mock,
  mounted,
  notRoot,
  program,
  python,
  quietly,
  seen,
  shell,
  slow,
} from "./callers.ts";
export { it, run } from "./effect.ts";
export { noNamespaces } from "./namespaces.ts";
export {
  childrenOf,
  eventually,
  hasEnded,
  statusOf,
  textOf,
  untilEnded,
  worksAsync,
} from "./processes.ts";
export { refuse } from "./seccomp.ts";
export { type Ended, execute, type Running, type RunOptions, start } from "./spawn.ts";
export { type Launched, launchStub, launchStubWith, wires } from "./stub.ts";
export { tempDirectory } from "./temp.ts";
