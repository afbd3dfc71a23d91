import { fsDecode } from "@rsyscall/abi";

/**
 * What a terminal or a log would obey instead of showing it: controls (C0, DEL, C1), line and paragraph
 * separators, marks that change the direction of text, and halves of surrogate pairs.
 */
const obeyed =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/gu;

const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const escaped = (character: string): string => {
  const code = character.charCodeAt(0);
  // A byte that is no UTF-8, as `fsDecode` has it.
  const byte = code >= 0xdc80 && code <= 0xdcff ? code - 0xdc00 : code;
  const [letter, digits] = byte < 0x80 || byte !== code ? ["x", 2] : ["u", 4];
  return named[character] ?? `\\${letter}${byte.toString(16).padStart(digits as number, "0")}`;
};

/** A character has 4 bytes of UTF-8 at most. */
const decode = (text: string | Uint8Array, limit: number): string =>
  typeof text === "string" ? text : fsDecode(text.subarray(0, 4 * limit + 4));

const cut = (text: string, limit: number): string =>
  text.length > limit ? `${text.slice(0, limit)}...` : text;

/**
 * Text that another process has chosen, as one line that is safe to print: what a terminal would obey is
 * escaped (`\n`, `\x1b`, `\u202e`), and so are bytes that are no UTF-8. Other text stays as it is, a backslash too.
 *
 * @param limit characters that are shown. Of more, the beginning is, and `...`. Default: all
 */
export const printable = (
  text: string | Uint8Array,
  limit: number = Number.MAX_SAFE_INTEGER,
): string => cut(decode(text, limit), limit).replace(obeyed, escaped);

/** The same for text of several lines, such as what a program writes to stderr: newlines and tabs stay. */
export const printableLines = (
  text: string | Uint8Array,
  limit: number = Number.MAX_SAFE_INTEGER,
): string =>
  cut(decode(text, limit), limit)
    .replaceAll("\r\n", "\n")
    .replace(obeyed, (character) =>
      character === "\n" || character === "\t" ? character : escaped(character),
    );
