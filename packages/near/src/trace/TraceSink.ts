import { printable } from "../printable.ts";
import type { TracedCall } from "./TracedCall.ts";

/**
 * A system call was submitted, or has ended. An end is told in the order in which calls end, and as soon as what
 * this program reads of the call's memory has been read, which is at the latest in the next turn of the event loop
 * in which nothing is being read.
 */
export type TraceEvent =
  | { readonly _tag: "Started"; readonly call: TracedCall }
  | { readonly _tag: "Ended"; readonly call: TracedCall };

/**
 * Takes events, in the middle of the call that they are about: it must return soon. What it does itself is not
 * traced. One that throws is warned of, and gets no more events.
 */
export type TraceSink = (event: TraceEvent) => void;

let isTelling = false;
const failed = new WeakSet<TraceSink>();

/** Whether a sink runs: the calls that it makes are not traced. */
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
