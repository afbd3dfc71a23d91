/** Bytes of a string that are shown, as strace(1) does by default. */
const SHOWN = 32;

const names: Readonly<Record<number, string>> = {
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  34: '\\"',
  92: "\\\\",
};

const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39;

const escaped = (byte: number, next: number | undefined): string => {
  const name = names[byte];
  if (name !== undefined) return name;
  if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
  const octal = byte.toString(8);
  return `\\${isDigit(next) ? octal.padStart(3, "0") : octal}`;
};

/**
 * Formats bytes as strace(1) shows a string: in quotes, with everything but printable ASCII escaped, so that no
 * terminal acts on it.
 *
 * @param limit the number of bytes that are shown; a longer string ends in "..."
 * @param isCut whether the string is longer than these bytes
 */
export const quoted = (bytes: Uint8Array, limit = SHOWN, isCut = false): string => {
  const shown = bytes.subarray(0, limit);
  const text = Array.from(shown, (byte, i) => escaped(byte, shown[i + 1])).join("");
  return `"${text}"${isCut || bytes.length > limit ? "..." : ""}`;
};
