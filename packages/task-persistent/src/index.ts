export { PersistentTaskError, type PersistentTaskErrorReason } from "./errors.ts";
export type { ChildDescription, OpenDescriptor } from "./inventory.ts";
export { PersistentTask, type PersistentTaskOptions, type StartOptions } from "./PersistentTask.ts";
