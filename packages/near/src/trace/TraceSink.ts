import { printable } from "../printable.ts";
import type { TracedCall } from "./TracedCall.ts";

/**
 * A system call was submitted, or has ended. Ends are reported in the order in which the calls end, as soon as this
 * program has read the call's memory, and at the latest in the next turn of the event loop in which no read is in
 * flight.
 */
export type TraceEvent =
  | { readonly _tag: "Started"; readonly call: TracedCall }
  | { readonly _tag: "Ended"; readonly call: TracedCall };

/**
 * Receives events, inside of the call that they report: it must return soon. Its own calls are not traced. If it
 * throws, a warning is printed and it gets no more events.
 */
export type TraceSink = (event: TraceEvent) => void;

let isTelling = false;
const failed = new WeakSet<TraceSink>();

/** Whether a sink is running: its calls are not traced. */
export const isInSink = (): boolean => isTelling;

/** Gives an event to a sink. */
export const tell = (sink: TraceSink, event: TraceEvent): void => {
  if (failed.has(sink)) return;
  isTelling = true;
  try {
    sink(event);
  } catch (error) {
    failed.add(sink);
    process.emitWarning(
      `a sink of a trace failed, and gets no more events: ${printable(String(error))}`,
      "TraceWarning",
    );
  } finally {
    isTelling = false;
  }
};
