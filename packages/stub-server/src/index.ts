export { HandshakeError } from "@rsyscall/transport";
export {
  HandlerError,
  type HandlerErrorReason,
  StubServerError,
  type StubServerErrorReason,
} from "./errors.ts";
export type { LinkMode } from "./executable.ts";
export type { Handler, ServeOptions } from "./handlers.ts";
export type { LimitOptions } from "./limits.ts";
export { StubCall } from "./StubCall.ts";
export {
  type ListenOptions,
  type ServerFailure,
  StubServer,
  type StubServerOptions,
} from "./StubServer.ts";
