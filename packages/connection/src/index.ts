export type { Connection } from "./Connection.ts";
export { FdPassConnection } from "./FdPassConnection.ts";
export * from "./requests.ts";
export { SelfConnection } from "./SelfConnection.ts";
export { SocketMemoryTransport } from "./SocketMemoryTransport.ts";
export { type OnResult, SyscallConnection } from "./SyscallConnection.ts";
