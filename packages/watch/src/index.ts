export { OutputError, PolicyError } from "./errors.ts";
export { type AskUser, askAtTerminal } from "./guard/ask.ts";
export { type LoggedDecision, logged } from "./guard/DecisionLog.ts";
export { type LoadedPolicy, loadPolicy } from "./guard/loadPolicy.ts";
export {
  type Answer,
  type Ask,
  ask,
  deny,
  type GuardedCall,
  type OtherCommand,
  outside,
  type Policy,
  type Replied,
  type Rewritten,
  type RunOutside,
  reply,
  rewrite,
  type Verdict,
} from "./guard/Policy.ts";
export { type Guarded, type GuardFailure, type GuardOptions, guard } from "./guard.ts";
export type { CommandLine } from "./internal/supervise.ts";
export { Live, type Screen } from "./Live.ts";
export { pageOf } from "./page.ts";
export { type RecordedProcess, Recorder } from "./Recorder.ts";
export { type ExecReport, type ProcessReport, REPORT_VERSION, type Report } from "./Report.ts";
export { treeText } from "./text.ts";
export { type Watched, type WatchFailure, type WatchOptions, watch } from "./watch.ts";
