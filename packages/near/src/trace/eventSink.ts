import { Effect, Queue, type Scope, Stream } from "effect";
import type { TraceEvent, TraceSink } from "./TraceSink.ts";

/** A sink, and what it was told. */
export interface TraceEvents {
  readonly sink: TraceSink;
  /** Ends with the scope. */
  readonly events: Stream.Stream<TraceEvent>;
}

/**
 * A sink whose events are a stream. What is not taken is kept up to a limit, and then the oldest are lost; `TracedCall.id`
 * has gaps there.
 *
 * @param capacity events that are kept; default 4096
 */
export const eventSink = (capacity = 4096): Effect.Effect<TraceEvents, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(Queue.sliding<TraceEvent>(capacity), Queue.shutdown),
    (queue) => ({
      sink: (event) => void Queue.offerUnsafe(queue, event),
      events: Stream.fromQueue(queue),
    }),
  );
