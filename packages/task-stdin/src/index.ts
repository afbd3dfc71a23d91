export { StdinTask, type StdinTaskOptions } from "./StdinTask.ts";
