export { type Bootstrapped, bootstrapThread, type Transport } from "./bootstrapThread.ts";
export { HandshakeError } from "./errors.ts";
export { type Greeted, type HandshakePolicy, handshake } from "./handshake.ts";
export type { Description } from "./hello.ts";
export { passingTransport } from "./passingTransport.ts";
