import { fsDecode } from "@rsyscall/abi";

/**
 * What a terminal or a log would act on, or show as something else: control characters, lines and
 * paragraphs (U+2028, U+2029), what turns the direction of text, what has no width, halves of pairs.
 */
const unprintable =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about.
  /[\0-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/gu;

const names: Readonly<Record<string, string>> = {
  "\0": "\\0",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

const escaped = (character: string): string => {
  const unit = character.charCodeAt(0);
  // `fsDecode` has these for bytes that are not UTF-8.
  const byte = unit >= 0xdc80 && unit <= 0xdcff ? unit - 0xdc00 : unit;
  const hex = byte.toString(16);
  return (
    names[character] ?? (byte < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`)
  );
};

/**
 * Text of a peer's or a user's, for messages and logs: on one line, and without what a terminal would
 * take for a command. Such characters are escaped as in JavaScript; bytes that are not UTF-8 are `\xNN`.
 *
 * @param limit of characters; what is longer is cut, and ends in "..."
 */
export const printable = (text: string | Uint8Array, limit = 4096): string => {
  // No character has more than four bytes.
  const all = typeof text === "string" ? text : fsDecode(text.subarray(0, 4 * limit + 4));
  return cut(all, limit).replace(unprintable, escaped);
};

/** What is longer is cut, but not between the two halves of a pair. */
const cut = (text: string, limit: number): string =>
  text.length > limit ? `${text.slice(0, limit).replace(/[\ud800-\udbff]$/, "")}...` : text;

/** As `printable`, for text of several lines, such as what a program writes to stderr: newlines and tabs stay. */
export const printableLines = (text: string, limit = Number.MAX_SAFE_INTEGER): string =>
  cut(text, limit)
    .replaceAll("\r\n", "\n")
    .replace(unprintable, (character) =>
      character === "\n" || character === "\t" ? character : escaped(character),
    );
