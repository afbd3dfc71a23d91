import { Fiber } from "effect";
import { SingleShotGen } from "effect/Utils";

/*
 * The lines of the program where a failure comes from. JavaScript's stack does not have them: a generator that waits
 * for an effect is not on it. So the generators themselves give their lines when the stack is read. An effect that
 * succeeds costs nothing, and one that fails costs little.
 */

/** The maximum number of generators, and of lines of each. */
const LINES = 10;

/** The frame that a fiber keeps for `Effect.gen` and the like while a yielded effect runs. */
interface GeneratorFrame {
  readonly iterator: Generator;
}

const isGeneratorFrame = (frame: unknown): frame is GeneratorFrame =>
  typeof (frame as Partial<GeneratorFrame>).iterator?.throw === "function";

/** Returns the frames of a fiber. Effect does not export their type, so there may be none. */
const framesOf = (fiber: object): ReadonlyArray<unknown> => {
  const frames = (fiber as { readonly _stack?: unknown })._stack;
  return Array.isArray(frames) ? frames : [];
};

/** The generators that wait in a fiber, innermost first. */
export interface Waiting {
  readonly fiber: object;
  readonly frames: ReadonlyArray<GeneratorFrame>;
}

/** Whether `Error.stackTraceLimit` can be changed. It cannot with `--frozen-intrinsics` of Node. */
const isWritable = Object.getOwnPropertyDescriptor(Error, "stackTraceLimit")?.writable === true;

/** Makes an error without a stack, which takes longer to make than the rest of it. */
export const withoutStack = <E extends Error>(make: () => E): E => {
  const limit = Error.stackTraceLimit;
  if (isWritable) Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    if (isWritable) Error.stackTraceLimit = limit;
  }
};

/** Returns the generators that wait in the current fiber, if there are any. */
export const waitingPrograms = (): Waiting | undefined => {
  const fiber = isWritable ? Fiber.getCurrent() : undefined;
  if (fiber === undefined) return undefined;
  const frames = framesOf(fiber).filter(isGeneratorFrame).reverse();
  return frames.length === 0 ? undefined : { fiber, frames };
};

/** Puts the lines of the waiting generators first in the stack of an error. */
export const addUserFrames = (error: Error, { fiber, frames }: Waiting): void => {
  // Much cheaper than Error.captureStackTrace.
  const own = new Error();
  Object.defineProperty(error, "stack", {
    get() {
      const alive = framesOf(fiber);
      // A failure ends the generators that it passes. A generator that still waits has recovered from it.
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

/** Returns the lines of a generator: of the `yield*` at which it waits. */
const linesOf = ({ iterator }: GeneratorFrame): ReadonlyArray<string> => {
  const site: { stack?: string } = {};
  // `yield*` passes an exception that is thrown into a generator on to the iterator that it waits for; there, the
  // generator is on the stack. The iterator then answers that it is not done, so the generator stays where it is.
  const waitedFor = SingleShotGen.prototype as { throw?: () => IteratorResult<unknown> };
  const look = () => {
    Error.captureStackTrace(site, look);
    return { done: false, value: undefined };
  };
  // Effect sets the limit to one line while it prints a cause.
  const limit = Error.stackTraceLimit;
  try {
    Error.stackTraceLimit = LINES;
    waitedFor.throw = look;
    iterator.throw(undefined);
  } catch {
    // The generator has ended, or is running.
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
