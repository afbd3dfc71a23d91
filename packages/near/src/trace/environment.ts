import { printable } from "../printable.ts";
import type { SyscallInterface } from "../SyscallInterface.ts";
import { TextOutput } from "./TextOutput.ts";
import type { TraceSink } from "./TraceSink.ts";
import { textSink } from "./textSink.ts";
import { type TracedOptions, traced } from "./traced.ts";

/** The sink that the environment asks for; `null` until the environment is read. */
let sink: TraceSink | undefined | null = null;

const read = (wanted: string | undefined): TraceSink | undefined => {
  if (wanted === undefined || wanted === "" || wanted === "0") return undefined;
  if (wanted === "1") return textSink(TextOutput.stderr());
  try {
    return textSink(TextOutput.open(wanted));
  } catch (error) {
    process.emitWarning(
      `RSYSCALL_TRACE=${printable(wanted)} cannot be written, so nothing is traced: ${printable(String((error as Error).message))}`,
      "TraceWarning",
    );
    return undefined;
  }
};

/**
 * Returns the sink that the environment variable `RSYSCALL_TRACE` asks for: text to standard error if it is `1`,
 * appended to a file if it is a path, and undefined if it is not set, empty or `0`. The variable is read once, when
 * the first task is made.
 */
export const sinkOfEnvironment = (): TraceSink | undefined => {
  if (sink === null) sink = read(process.env["RSYSCALL_TRACE"]);
  return sink;
};

/** Returns the interface, traced if the environment asks for that: see `sinkOfEnvironment`. */
export const tracedByEnvironment = (
  inner: SyscallInterface,
  options?: TracedOptions,
): SyscallInterface => {
  const wanted = sinkOfEnvironment();
  return wanted === undefined ? inner : traced(inner, wanted, options);
};
