export { HandshakeError } from "@rsyscall/transport";
export { StubServerError, type StubServerErrorReason } from "./errors.ts";
export type { LinkMode } from "./executable.ts";
export { StubCall } from "./StubCall.ts";
export {
  type ListenOptions,
  type ServerFailure,
  StubServer,
  type StubServerOptions,
} from "./StubServer.ts";
