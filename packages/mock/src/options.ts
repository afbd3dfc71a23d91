import { MockError } from "./errors.ts";
import { nearestName } from "./nearestName.ts";

/**
 * Refuses options that there are not: a misspelt one would silently do nothing.
 *
 * @param what begins the message
 * @param noun what has these options
 */
export const checkNames = (
  what: string,
  options: object,
  names: ReadonlyArray<string>,
  noun: string,
): void => {
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const near = nearestName(unknown.toLowerCase(), names) ?? nearestName(unknown, names);
  throw new MockError([
    `${what}: there is no ${unknown}: ${near === undefined ? "" : `did you mean ${near}? `}${noun} has ${names.join(", ")}`,
  ]);
};
