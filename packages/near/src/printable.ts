import { fsDecode } from "@rsyscall/abi";

/**
 * Characters that a terminal or a log would act on, or show as something else: control characters, line and
 * paragraph separators (U+2028, U+2029), bidirectional controls, zero-width characters, unpaired surrogates.
 */
const unprintable =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it must match control characters.
  /[\0-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/gu;

const names: Readonly<Record<string, string>> = {
  "\0": "\\0",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

const escaped = (character: string): string => {
  const unit = character.charCodeAt(0);
  // `fsDecode` gives these for bytes that are not UTF-8.
  const byte = unit >= 0xdc80 && unit <= 0xdcff ? unit - 0xdc00 : unit;
  const hex = byte.toString(16);
  return (
    names[character] ?? (byte < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`)
  );
};

/**
 * Escapes text of a peer or a user for messages and logs: on one line, and without characters on which a terminal
 * would act. Such characters are escaped as in JavaScript; bytes that are not UTF-8 are `\xNN`.
 *
 * @param limit the maximum number of characters; longer text is cut and ends in "..."
 */
export const printable = (text: string | Uint8Array, limit = 4096): string => {
  // No character has more than four bytes.
  const all = typeof text === "string" ? text : fsDecode(text.subarray(0, 4 * limit + 4));
  return cut(all, limit).replace(unprintable, escaped);
};

/** Cuts text that is too long, but not between the two halves of a surrogate pair. */
const cut = (text: string, limit: number): string =>
  text.length > limit ? `${text.slice(0, limit).replace(/[\ud800-\udbff]$/, "")}...` : text;

/** As `printable`, for text of several lines, such as a program's stderr: newlines and tabs stay. */
export const printableLines = (text: string, limit = Number.MAX_SAFE_INTEGER): string =>
  cut(text, limit)
    .replaceAll("\r\n", "\n")
    .replace(unprintable, (character) =>
      character === "\n" || character === "\t" ? character : escaped(character),
    );
