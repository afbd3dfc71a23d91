export { ClusterError } from "./ClusterError.ts";
/** Where the hosts of a fleet are owned, and what is kept: in memory, in SQLite, in PostgreSQL. */
export * as Cluster from "./cluster.ts";
export { CommandError, CommandLine, CommandOutput, command } from "./command.ts";
export type { FleetOptions } from "./Fleet.ts";
/** What runs on a fleet: the layer of a process, and programs on many hosts. */
export * as Fleet from "./Fleet.ts";
export { FleetPage, type PageOptions } from "./FleetPage.ts";
export { FleetState, type HostState, type RunnerState } from "./FleetState.ts";
export type { HostOptions } from "./HostEntity.ts";
export { HostError, type HostProblem } from "./HostError.ts";
export type { RegisteredHost, RunningProgram } from "./HostRegister.ts";
export { HostStates } from "./HostStates.ts";
export { type HostAddress, Hosts, type OpenFailure, type OpenHost } from "./Hosts.ts";
export {
  HostsFileError,
  type HostsList,
  type HostsProblem,
  type HostsText,
  parseHosts,
  readHosts,
} from "./hostsFile.ts";
export type { StorageError } from "./Journal.ts";
export { once } from "./once.ts";
export { PageError } from "./PageError.ts";
export {
  type AnyProgram,
  Attempt,
  Host,
  type HostServices,
  type Plain,
  Program,
} from "./Program.ts";
export { Rollout, type RolloutOptions } from "./Rollout.ts";
export { RolloutError } from "./RolloutError.ts";
export type {
  HostStatus,
  RolloutCounts,
  RolloutState,
  RolloutStatus,
  RolloutSummary,
} from "./RolloutStatus.ts";
export { HostOutcome, RolloutOutcome, RolloutPlan } from "./rolloutWorkflows.ts";
export { type FailedHost, RunSummary } from "./summary.ts";
