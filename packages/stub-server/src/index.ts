export { HandshakeError } from "@rsyscall/transport";
export {
  HandlerError,
  type HandlerErrorReason,
  type ServerFailure,
  StubServerError,
  type StubServerErrorReason,
} from "./errors.ts";
export type { LinkMode } from "./executable.ts";
export type { Handler, ServeOptions } from "./handlers.ts";
export type { HandedOver } from "./handOver.ts";
export type { LimitOptions } from "./limits.ts";
export type { ListenOptions, StubServerOptions } from "./options.ts";
export type { Reply, ReplyChunk } from "./reply.ts";
export { StubCall } from "./StubCall.ts";
export { StubServer } from "./StubServer.ts";
