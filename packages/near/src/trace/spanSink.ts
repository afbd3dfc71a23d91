import { Context, Effect, Exit, Fiber, Option, Tracer } from "effect";
import { isError } from "../Syscall.ts";
import type { TracedCall } from "./TracedCall.ts";
import type { TraceSink } from "./TraceSink.ts";

const nanoseconds = (milliseconds: number): bigint => BigInt(Math.round(milliseconds * 1e6));

const end = (call: TracedCall): Exit.Exit<void, Error> => {
  const { outcome } = call;
  if (typeof outcome === "object") return Exit.fail(outcome);
  return outcome !== undefined && isError(outcome) ? Exit.fail(new Error(String(call))) : Exit.void;
};

/**
 * Makes a sink that makes a span for each call, with the tracer of the fiber that makes the sink. The parent is the
 * span of the fiber that makes the call, or else the span in which the sink was made. If the kernel refuses a call,
 * its span fails.
 *
 * Attributes: `process.pid`, `syscall.arguments`, `syscall.result`, `syscall.behind`.
 */
export const spanSink: () => Effect.Effect<TraceSink> = Effect.fnUntraced(function* () {
  const tracer = yield* Effect.tracer;
  const outer = Context.getOption(yield* Effect.context<never>(), Tracer.ParentSpan);
  const spans = new Map<TracedCall, Tracer.Span>();
  return ({ _tag, call }) => {
    if (_tag === "Started") {
      const fiber = Fiber.getCurrent();
      const own =
        fiber === undefined ? Option.none() : Context.getOption(fiber.context, Tracer.ParentSpan);
      const parent: Option.Option<Tracer.AnySpan> = Option.orElse(own, () => outer);
      spans.set(
        call,
        tracer.span({
          name: call.name,
          parent,
          annotations: Context.empty(),
          links: [],
          startTime: nanoseconds(call.startTime),
          kind: call.task.isLocal ? "internal" : "client",
          root: false,
          sampled: Option.isNone(parent) || parent.value.sampled,
        }),
      );
      return;
    }
    const span = spans.get(call);
    if (span === undefined) return;
    spans.delete(call);
    if (call.task.pid !== undefined) span.attribute("process.pid", call.task.pid);
    span.attribute("syscall.arguments", call.arguments.join(", "));
    span.attribute("syscall.result", call.result);
    if (call.behind > 0) span.attribute("syscall.behind", call.behind);
    span.end(nanoseconds(call.startTime + (call.duration ?? 0)), end(call));
  };
});
