import { printable } from "./printable.ts";

/** What util.inspect of Node asks an object for. */
const inspection = Symbol.for("nodejs.util.inspect.custom");

/**
 * Makes the values of a class, and of those that extend it, print as one line: as `Kind(text)` by
 * util.inspect and console.log, and as the text in JSON. A handle leads to its task, and from there to
 * everything else; what prints, compares or sends values (test runners do, and they call getters too)
 * would follow it all.
 *
 * The text is short, and has nothing that others may not read: the arguments of a program may be in it,
 * which ps(1) shows to all; the values of its environment not.
 *
 * @param text what `toString` gives from now on; default: as the class has it
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
