import "./requiredNode.ts";

/** Where the hosts of a fleet are owned, and what is kept: in memory, in SQLite, in PostgreSQL. */
export * as Cluster from "./cluster.ts";
export { hostLayer, type HostOptions } from "./HostEntity.ts";
export { HostError, type HostProblem } from "./HostError.ts";
export { HostStates } from "./HostStates.ts";
export { type HostAddress, Hosts, type OpenFailure, type OpenHost } from "./Hosts.ts";
export { type AnyProgram, Attempt, Host, type HostServices, type Plain, Program } from "./Program.ts";
export { type RunEvent, type RunOnOptions, type RunOptions, run, runOn } from "./run.ts";
