export { SshError, type SshProblem } from "./errors.ts";
export { SshTask, type SshTaskOptions } from "./SshTask.ts";
