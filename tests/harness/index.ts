export {
  type Mock,
  type MockOptions,
  mock,
  mounted,
  program,
  python,
  quietly,
  seen,
  shell,
} from "./callers.ts";
export { counted, describeUnless, it, run } from "./effect.ts";
export { begin, turn } from "./fibers.ts";
export {
  childrenOf,
  eventually,
  hasEnded,
  statusOf,
  textOf,
  untilEnded,
} from "./processes.ts";
export { Random } from "./Random.ts";
export { missing, noFleet, noNamespaces, notRoot, slow } from "./requirements.ts";
export { refuse } from "./seccomp.ts";
export { type Ended, execute, type Running, type RunOptions, start } from "./spawn.ts";
export { type Launched, launchStub, launchStubWith, wires } from "./stub.ts";
export { TEMP_PREFIX, tempDirectory } from "./temp.ts";
export {
  here,
  inFork,
  inStub,
  inStubOverSockets,
  type ThreadKind,
  threadKinds,
} from "./threadKinds.ts";
export { worksAsync } from "./worksAsync.ts";
