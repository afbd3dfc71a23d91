export { AsyncEventfd } from "./AsyncEventfd.ts";
export { AsyncFileDescriptor } from "./AsyncFileDescriptor.ts";
export { AsyncInotify } from "./AsyncInotify.ts";
export { AsyncPty } from "./AsyncPty.ts";
export { AsyncReadBuffer, type ReadFailure } from "./AsyncReadBuffer.ts";
export { AsyncTimerfd } from "./AsyncTimerfd.ts";
export { Epoller, type WaitableEvent, type Wakeup } from "./Epoller.ts";
export { EndOfFileError, MalformedError, TooLongError } from "./errors.ts";
export { Readiness } from "./Readiness.ts";
