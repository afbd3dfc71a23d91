import { printable } from "./printable.ts";

/** The method that Node's util.inspect calls. */
const inspection = Symbol.for("nodejs.util.inspect.custom");

/**
 * Makes the values of a class, and of its subclasses, print as one line: as `Kind(text)` by
 * util.inspect and console.log, and as the text in JSON. A handle refers to its task, and the task to
 * everything else; code that prints, compares or sends values (such as test runners, which also call
 * getters) would follow all of these references.
 *
 * The text is short and contains no secrets: it may have the arguments of a program, which ps(1) shows to
 * all users, but not the values of its environment.
 *
 * @param text gives the new result of `toString`; default: the class's own
 */
export const oneLine = <A extends object>(
  { prototype }: { readonly prototype: A },
  text?: (value: A) => string,
): void => {
  const define = (name: string | symbol, value: (this: A) => string) =>
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  if (text !== undefined)
    define("toString", function () {
      return text(this);
    });
  define("toJSON", function () {
    return String(this);
  });
  define(inspection, function () {
    return `${this.constructor.name}(${printable(String(this))})`;
  });
};
