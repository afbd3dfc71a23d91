export { AsyncFileDescriptor } from "./AsyncFileDescriptor.ts";
export { AsyncReadBuffer, type ReadFailure } from "./AsyncReadBuffer.ts";
export { Epoller, type WaitableEvent, type Wakeup } from "./Epoller.ts";
export { EndOfFileError, MalformedError, TooLongError } from "./errors.ts";
export { Readiness } from "./Readiness.ts";
