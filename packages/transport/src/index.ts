export { type End, encodeExec, encodeReply, type Output, type Program } from "./answer.ts";
export {
  type Bootstrapped,
  bootstrapThread,
  type Transport,
  type Welcoming,
} from "./bootstrapThread.ts";
export { HandshakeError, type HandshakeProblem, LaunchError, PathTakenError } from "./errors.ts";
export { goneThread } from "./goneThread.ts";
export {
  asHandshakeError,
  type Begun,
  decodeHello,
  type Greeted,
  greetedBy,
  type HandshakePolicy,
  type HelloBytes,
  handshake,
  refusalOf,
  turnAway,
} from "./handshake.ts";
export type { Description } from "./hello.ts";
export { LaunchedTask } from "./LaunchedTask.ts";
export { Launched, type LaunchOptions, launch } from "./launch.ts";
export { type OpenedSocket, openSocket } from "./openSocket.ts";
export { passingTransport } from "./passingTransport.ts";
export {
  isSame,
  kindOf,
  type ListenAtOptions,
  listenAt,
  lstat,
  type Occupant,
  type Placed,
  place,
  removeOwn,
  workshop,
} from "./placement.ts";
export { processing, refused } from "./welcome.ts";
