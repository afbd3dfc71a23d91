/** What util.inspect(3) of Node asks an object for, without an import. */
const inspect = Symbol.for("nodejs.util.inspect.custom");

/** A class whose values have a text of their own. */
interface Printed {
  readonly prototype: { toString(): string };
}

/**
 * Makes the values of a class, and of those that extend it, print as one line: as `Kind(text)` by
 * util.inspect and console.log, and as the text in JSON. A handle leads to its task, and from there to
 * everything else; what prints, compares or sends values (test runners do, and they call getters too)
 * would follow it all.
 *
 * The text is that of `toString`. It must be short, and must not have what others may not read: the
 * arguments of a program may be in it, which ps(1) shows to all; the values of its environment not.
 */
export const oneLine = ({ prototype }: Printed): void => {
  Object.defineProperties(prototype, {
    toJSON: {
      value(this: object) {
        return String(this);
      },
      writable: true,
      configurable: true,
    },
    [inspect]: {
      value(this: object) {
        return `${this.constructor.name}(${this})`;
      },
      writable: true,
      configurable: true,
    },
  });
};
