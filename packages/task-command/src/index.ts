export { CommandTask, type CommandTaskOptions } from "./CommandTask.ts";
export { StreamError } from "./errors.ts";
export { MultiplexedConnection } from "./MultiplexedConnection.ts";
export { Multiplexer } from "./Multiplexer.ts";
