import { Fiber } from "effect";
import { SingleShotGen } from "effect/Utils";

/*
 * Where a failure has come from. JavaScript's stack does not know: a generator that waits for an effect
 * is not on it. So the lines are asked of the generators themselves, when the stack is read; an effect
 * that succeeds costs nothing, and one that fails little.
 */

/** How many generators are asked, and how many lines one may have. */
const LINES = 10;

/** What a fiber keeps of `Effect.gen` and the like while an effect runs that it has yielded. */
interface GeneratorFrame {
  readonly iterator: Generator;
}

const isGeneratorFrame = (frame: unknown): frame is GeneratorFrame =>
  typeof (frame as Partial<GeneratorFrame>).iterator?.throw === "function";

/** The frames of a fiber: of no type that effect exports, so there may be none. */
const framesOf = (fiber: object): ReadonlyArray<unknown> => {
  const frames = (fiber as { readonly _stack?: unknown })._stack;
  return Array.isArray(frames) ? frames : [];
};

/** What has yielded in a fiber, innermost first. */
export interface Waiting {
  readonly fiber: object;
  readonly frames: ReadonlyArray<GeneratorFrame>;
}

/** Whether what a stack has can be told. Not with `--frozen-intrinsics` of Node. */
const isWritable = Object.getOwnPropertyDescriptor(Error, "stackTraceLimit")?.writable === true;

/** The programs that wait in the current fiber, if there are any. */
export const waitingPrograms = (): Waiting | undefined => {
  const fiber = isWritable ? Fiber.getCurrent() : undefined;
  if (fiber === undefined) return undefined;
  const frames = framesOf(fiber).filter(isGeneratorFrame).reverse();
  return frames.length === 0 ? undefined : { fiber, frames };
};

/** Gives an error their lines: they come first in its stack. */
export const addUserFrames = (error: Error, { fiber, frames }: Waiting): void => {
  // Much cheaper than Error.captureStackTrace.
  const own = new Error();
  Object.defineProperty(error, "stack", {
    get() {
      const alive = framesOf(fiber);
      // A failure ends the generators that it passes. What waits still has recovered from it.
      const ended = frames.filter((frame) => !alive.includes(frame));
      const lines = ended.slice(0, LINES).flatMap(linesOf);
      const rest = own.stack?.split("\n") ?? [];
      const made = rest.findLastIndex((line) => line.startsWith("    at new "));
      return [`${error.name}: ${error.message}`, ...lines, ...rest.slice(made + 1)].join("\n");
    },
    set(stack: string) {
      Object.defineProperty(error, "stack", { value: stack, writable: true, configurable: true });
    },
    configurable: true,
  });
};

/** Where a generator stands: at the `yield*` at which it was left. */
const linesOf = ({ iterator }: GeneratorFrame): ReadonlyArray<string> => {
  const site: { stack?: string } = {};
  // `yield*` passes what is thrown into a generator on to what it waits for: from there, the generator
  // is on the stack. As that says it is not done, the generator stays where it is.
  const waitedFor = SingleShotGen.prototype as { throw?: () => IteratorResult<unknown> };
  const look = () => {
    Error.captureStackTrace(site, look);
    return { done: false, value: undefined };
  };
  // Who prints a cause allows one line while it does.
  const limit = Error.stackTraceLimit;
  try {
    Error.stackTraceLimit = LINES;
    waitedFor.throw = look;
    iterator.throw(undefined);
  } catch {
    // It had ended, or runs.
  } finally {
    delete waitedFor.throw;
    Error.stackTraceLimit = limit;
  }
  const lines = site.stack?.split("\n").slice(1) ?? [];
  const end = lines.findIndex((line) => line.includes(linesOf.name));
  return lines
    .slice(0, end < 0 ? undefined : end)
    .filter((line) => !line.endsWith("throw (<anonymous>)"));
};
