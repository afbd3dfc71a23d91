/**
 * What a terminal or a log reader would act on instead of showing it: control characters, line ends, marks
 * that change the direction of text, and halves of surrogate pairs, which stand for bytes that are not UTF-8
 * (`fsDecode`).
 */
const unprintable = /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029\ufeff]/gu;

const escapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, "0");

const escaped = (character: string): string => {
  const code = character.charCodeAt(0);
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${hex(code - 0xdc00, 2)}`;
  return escapes[character] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`);
};

/**
 * Text of a peer's (an argument, a path, what a program wrote to stderr) as part of one line of a log or an
 * error message: what could steer a terminal or begin a new line is shown as an escape of a C string. Applied
 * twice, it changes nothing more.
 *
 * @example
 * ```ts
 * import { printable } from "@rsyscall/near";
 *
 * console.log(printable("a\nb\u001b[2J")); // a\nb\x1b[2J
 * ```
 */
export const printable = (text: string): string => text.replace(unprintable, escaped);

/** As `printable`, line by line: the line ends stay. */
export const printableLines = (text: string): string =>
  text.split(/\r?\n/).map(printable).join("\n");
