import { Effect, Queue, type Scope, Stream } from "effect";
import type { TraceEvent, TraceSink } from "./TraceSink.ts";

/** A sink, and the events that it gets. */
export interface TraceEvents {
  /** The sink, for `tracing` or `traced`. */
  readonly sink: TraceSink;
  /** Ends with the scope. */
  readonly events: Stream.Stream<TraceEvent>;
}

/**
 * Makes a sink whose events are a stream. Events that are not taken are kept up to a limit; beyond it the oldest
 * are lost, which shows as gaps in `TracedCall.id`.
 *
 * @param capacity the number of events that are kept; default 4096
 */
export const eventSink = (capacity = 4096): Effect.Effect<TraceEvents, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(Queue.sliding<TraceEvent>(capacity), Queue.shutdown),
    (queue) => ({
      sink: (event) => void Queue.offerUnsafe(queue, event),
      events: Stream.fromQueue(queue),
    }),
  );
