/** Whether a stream shows colours: if it is a terminal, unless NO_COLOR or FORCE_COLOR say otherwise. */
export const hasColours = (stream: NodeJS.WriteStream): boolean => {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  return stream.isTTY === true && TERM !== "dumb";
};

const CODES = { red: 31, green: 32, dim: 2, bold: 1 } as const;

/** Text for a stream, with a colour if that has any. */
export const coloured = (
  stream: NodeJS.WriteStream,
  colour: keyof typeof CODES,
  text: string,
): string => (hasColours(stream) ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text);
