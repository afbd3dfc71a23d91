/** Checks a number that a caller has given: a whole one, or infinity. */
export const checked = (name: string, value: number, least: number): number => {
  if (value >= least && (Number.isSafeInteger(value) || value === Number.POSITIVE_INFINITY))
    return value;
  throw new RangeError(
    `${name} is ${value}: it must be a whole number from ${least} on, or Infinity`,
  );
};
