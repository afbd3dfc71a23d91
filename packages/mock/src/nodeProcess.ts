import { runInThisContext } from "node:vm";

/**
 * The process object that Node itself uses. In a test of Jest `process` is a copy: what is changed in its environment
 * is not what child_process gives to programs, and its events never come.
 */
export const nodeProcess = runInThisContext("process") as NodeJS.Process;
