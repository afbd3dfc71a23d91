import { TextDecoder, TextEncoder } from "node:util";

/** What must not be written: this text, what the expression matches, or as the function says. */
export type Redaction = string | RegExp | ((text: string) => string);

/** A redaction that can be sent to another thread. */
export type TextRedaction = string | RegExp;

/** What is written in its place. */
const REDACTED = "<redacted>";

/** Text without what must not be written. */
export const redacted = (text: string, redactions: ReadonlyArray<Redaction>): string =>
  redactions.reduce<string>((left, redaction) => {
    if (typeof redaction === "function") return redaction(left);
    if (redaction === "") return left;
    return typeof redaction === "string"
      ? left.replaceAll(redaction, REDACTED)
      : left.replace(
          new RegExp(redaction.source, `${redaction.flags.replace(/[gy]/g, "")}g`),
          REDACTED,
        );
  }, text);

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes as text; undefined if they are not UTF-8. */
export const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
};

/** Bytes without what must not be written. In what is not UTF-8, redactions see each byte as a character. */
export const redactedBytes = (
  bytes: Uint8Array,
  redactions: ReadonlyArray<Redaction>,
): Uint8Array => {
  if (redactions.length === 0) return bytes;
  const text = textOf(bytes);
  if (text !== undefined) return new TextEncoder().encode(redacted(text, redactions));
  const bytewise = redactions.map((redaction) =>
    typeof redaction === "string" ? Buffer.from(redaction).toString("latin1") : redaction,
  );
  return Buffer.from(redacted(Buffer.from(bytes).toString("latin1"), bytewise), "latin1");
};
