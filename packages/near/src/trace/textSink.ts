import type { TracedCall } from "./TracedCall.ts";
import type { TraceSink } from "./TraceSink.ts";

/** A destination of text. */
export interface TextTarget {
  /** Accepts text, synchronously. */
  readonly write: (text: string) => void;
  /** Writes all of it, before a call that may not return. */
  readonly flush?: () => void;
}

/** Milliseconds after which a call that is in flight is shown as unfinished. */
const UNFINISHED = 100;

const timeOfDay = (milliseconds: number): string => {
  const micros = Math.floor(milliseconds * 1000);
  const date = new Date(Math.floor(micros / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  const fraction = String(micros % 1_000_000).padStart(6, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${fraction}`;
};

const duration = (milliseconds: number): string => (milliseconds / 1000).toFixed(6);

/** The prefix of each line: the process and the time of day, as in `strace -f -tt`. */
const prefix = ({ task: { pid } }: TracedCall, milliseconds: number): string =>
  `${pid === undefined ? "" : `${pid} `}${timeOfDay(milliseconds)} `;

const result = (call: TracedCall): string => {
  const behind = call.behind > 0 ? ` behind ${call.behind}` : "";
  return `) = ${call.result} <${duration(call.duration ?? 0)}${behind}>\n`;
};

/** The beginning of a call, with the arguments that are known before it is done. */
const beginning = ({ name, inputs, arguments: all }: TracedCall): string =>
  `${name}(${inputs.map((text, i) => (i + 1 < all.length ? `${text}, ` : text)).join("")}`;

/** The rest of the arguments of a call whose beginning is shown. */
const rest = ({ inputs, arguments: all }: TracedCall): string =>
  all.slice(inputs.length).join(", ");

/** Formats a call that has ended as a line of `strace -f -tt -T`, without the newline. */
export const straceLine = (call: TracedCall): string =>
  `${prefix(call, call.startTime)}${call.name}(${call.arguments.join(", ")}${result(call)}`.trimEnd();

/** Whether a call has no result when it succeeds. */
const isExit = ({ name }: TracedCall): boolean => name === "exit_group" || name === "exit";

/**
 * Makes a sink that writes text as `strace -f -tt -T` does: a line for each call, with the process, the time of day
 * when it was submitted and, in brackets, the seconds that it took. `behind 2` in the brackets says that two calls of
 * the process were in flight when it was submitted: it was sent together with others, as in a batch.
 *
 * A call that takes 100 ms is shown before it is done, with `<unfinished ...>`, and again as `resumed`; so is a call
 * that is in flight when this process itself makes another one. The line of a call of this process begins before the
 * call does, with the arguments that are known then.
 */
export const textSink = (target: TextTarget): TraceSink => {
  const write = (text: string) => target.write(text);
  const inFlight = new Set<TracedCall>();
  /** Calls whose beginning is shown. */
  const begun = new Set<TracedCall>();
  /** The call whose line is not complete yet. */
  let open: TracedCall | undefined;
  /** The call of this process whose beginning is shown. */
  let local: TracedCall | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const interrupt = () => {
    if (open !== undefined) write(" <unfinished ...>\n");
    open = undefined;
  };
  const begin = (call: TracedCall) => {
    interrupt();
    write(`${prefix(call, call.startTime)}${beginning(call)}`);
    begun.add(call);
    open = call;
  };
  const watch = () => {
    if (timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      const now = performance.timeOrigin + performance.now();
      for (const call of inFlight)
        if (!begun.has(call) && now - call.startTime >= UNFINISHED) {
          begin(call);
          interrupt();
        }
      if (inFlight.size > begun.size) watch();
    }, UNFINISHED).unref();
  };
  const end = (call: TracedCall) => {
    inFlight.delete(call);
    if (local === call) local = undefined;
    if (open !== call) interrupt();
    if (!begun.delete(call)) write(`${straceLine(call)}\n`);
    else if (open === call) write(`${rest(call)}${result(call)}`);
    else {
      const now = call.startTime + (call.duration ?? 0);
      write(`${prefix(call, now)}<... ${call.name} resumed>${rest(call)}${result(call)}`);
    }
    open = undefined;
  };
  return ({ _tag, call }) => {
    if (_tag === "Ended") end(call);
    else if (!call.task.isLocal) {
      inFlight.add(call);
      watch();
    } else if (isExit(call)) {
      interrupt();
      write(`${prefix(call, call.startTime)}${beginning(call)}) = ?\n`);
      target.flush?.();
    } else if (!call.definition?.isPrompt && target.flush !== undefined && local === undefined) {
      local = call;
      begin(call);
      target.flush();
    }
  };
};
