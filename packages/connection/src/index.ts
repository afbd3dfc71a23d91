export type { Connection } from "./Connection.ts";
export { FdPassConnection } from "./FdPassConnection.ts";
export { SelfConnection } from "./SelfConnection.ts";
export { SharedMemoryTransport } from "./SharedMemoryTransport.ts";
export { SharedTableConnection } from "./SharedTableConnection.ts";
export { SocketMemoryTransport } from "./SocketMemoryTransport.ts";
export { type OnResult, SyscallConnection } from "./SyscallConnection.ts";
