export { type Allow, allow, type Decision, type Deny, deny } from "./Decision.ts";
export { ExecCall, type ExecFacts, type ExecParent, type ExecSource } from "./ExecCall.ts";
export type { End, EndStatus, Exec, ExecEvent } from "./ExecEvent.ts";
export {
  type ExecAttachOptions,
  type ExecRunOptions,
  ExecWatch,
  type ExecWatchOptions,
} from "./ExecWatch.ts";
export { execFilter } from "./execFilter.ts";
export {
  assemble,
  type Comparison,
  type FilterField,
  type FilterInstruction,
  type FilterLine,
  jumpIf,
  load,
  returns,
} from "./filter.ts";
export { SeccompListener, setSeccompFilter } from "./SeccompListener.ts";
