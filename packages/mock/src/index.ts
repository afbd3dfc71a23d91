export type { Call, CallHandler, CallInput, CallOutput } from "./Call.ts";
export {
  type Cassette,
  type CassetteCall,
  type CassetteChunk,
  readCassette,
  writeCassette,
} from "./cassette.ts";
export { MockError } from "./errors.ts";
export { type HandledCall, HandlerProgram, type HandlerProgramOptions } from "./HandlerProgram.ts";
export { type LoggedCall, readLog } from "./log.ts";
export type { MockOptions } from "./MockCore.ts";
export { type Expected, matchers, type ProgramMatchers } from "./matchers.ts";
export { type Mock, type MockedProgram, mock } from "./mock.ts";
export { findProgram } from "./names.ts";
export { nearestName } from "./nearestName.ts";
export type { NextOptions, Program } from "./Program.ts";
export type { ProgramNames } from "./ProgramNames.ts";
export { type ArgumentPattern, any, commandLine, end, rest, type TextPattern } from "./pattern.ts";
export type { Rule, WhereOptions } from "./Rule.ts";
export type { CallRecord, Outcome, OutputChunk } from "./record.ts";
export type { Redaction } from "./redact.ts";
export { type Pass, pass, type ReplyOptions, type Spy, spy } from "./reply.ts";
export type { Reply } from "./replyData.ts";
export { type RuleReport, shownCalls } from "./report.ts";
export type {
  Run,
  RunBytesOptions,
  RunningProgram,
  RunOptions,
  RunResult,
  RunShell,
} from "./run.ts";
export type { Stdio } from "./runMessages.ts";
export type { CassetteMode, CassetteOptions } from "./Tape.ts";
export { type TranscriptOptions, transcript } from "./transcript.ts";
export {
  addRule,
  type CallPattern,
  type HandlerWords,
  matches,
  parseHandler,
  parsePattern,
  parseRule,
  type RuleWords,
} from "./words.ts";
