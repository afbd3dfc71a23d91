import { TaggedError } from "@rsyscall/near";
import { Cause, Effect, Exit, Option } from "effect";

/** This machine lacks what a behaviour needs, through no fault of the transport. */
export class NotHere extends TaggedError("NotHere")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason;
  }
}

/** An expectation failed. It is thrown to end the behaviour, and `check` reports the text. */
export class Mismatch extends Error {}

const show = (value: unknown): string =>
  value instanceof Uint8Array
    ? `${value.length} bytes`
    : value instanceof Set
      ? show([...value])
      : typeof value === "bigint"
        ? `${value}n`
        : value instanceof Error
          ? String(value)
          : (JSON.stringify(value) ?? String(value));

/** Asserts a condition; `expected` describes it. */
export const ok: (condition: boolean, expected: string) => asserts condition = (
  condition,
  expected,
) => {
  if (!condition) throw new Mismatch(expected);
};

/** Asserts that a value equals the expected one. */
export const equal = <A>(actual: A, expected: NoInfer<A>, what: string): void => {
  if (actual !== expected && show(actual) !== show(expected))
    throw new Mismatch(`${what}: it is ${show(actual)}, and should be ${show(expected)}`);
};

/** Asserts that bytes equal the expected ones, and reports the first difference. */
export const equalBytes = (actual: Uint8Array, expected: Uint8Array, what: string): void => {
  if (actual.length !== expected.length)
    throw new Mismatch(
      `${what}: there are ${actual.length} bytes, and there should be ${expected.length}`,
    );
  if (Buffer.compare(actual, expected) === 0) return;
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  throw new Mismatch(
    `${what}: byte ${at} of ${expected.length} is ${actual[at]}, and should be ${expected[at]}`,
  );
};

const tagOf = (error: unknown): string =>
  (error as { readonly _tag?: string } | undefined)?._tag ?? "an error without a tag";

/** Returns the error of an effect that should fail with one of these tags. */
export const failing = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  tags: ReadonlyArray<string>,
  what: string,
): Effect.Effect<E, never, R> =>
  Effect.map(Effect.exit(effect), (exit) => {
    const error = failed(exit, tags, what);
    if (error === undefined)
      throw new Mismatch(`${what}: it succeeded, and should fail with ${tags.join(" or ")}`);
    return error;
  });

/** Returns the error of an exit, which must be a success or have one of these tags. */
export const failed = <A, E>(
  exit: Exit.Exit<A, E>,
  tags: ReadonlyArray<string>,
  what: string,
): E | undefined => {
  if (Exit.isSuccess(exit)) return undefined;
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause));
  if (error === undefined)
    throw new Mismatch(`${what}: it should be a typed error, and is ${Cause.pretty(exit.cause)}`);
  if (!tags.includes(tagOf(error)))
    throw new Mismatch(
      `${what}: it failed with ${tagOf(error)}, and should with ${tags.join(" or ")} (${error})`,
    );
  return error;
};

/** Asserts that the kernel refuses a call with an errno. */
export const refused = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  errno: string,
  what: string,
): Effect.Effect<E, never, R> =>
  Effect.map(failing(effect, ["SyscallError"], what), (error) => {
    equal((error as { readonly errno?: string }).errno, errno, what);
    return error;
  });
