import { Option } from "effect";
import { Argument, Flag } from "effect/cli";

/** A file that may be given. */
export const file = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(description),
    Flag.optional,
    Flag.map(Option.getOrUndefined),
  );

/** A whole number from 0 on, or from `least`. */
export const wholeNumber = (name: string, metavar: string, description: string, least = 0) =>
  Flag.String(name).pipe(
    Flag.mapTryCatch(
      (text) => {
        const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
        if (value < least) throw new Error();
        return value;
      },
      () => `it must be a whole number from ${least} on`,
    ),
    Flag.withMetavar(metavar),
    Flag.withDescription(description),
  );

/** What may be said of a command whose tree is watched. */
export const treeFlags = {
  killRest: Flag.Boolean("kill-rest").pipe(
    Flag.withDescription("Kill what the command leaves in the background, instead of waiting"),
    Flag.withDefault(false),
  ),
  contain: Flag.Boolean("contain").pipe(
    Flag.withDescription("In a pid namespace, which ends with this process in any case"),
    Flag.withDefault(false),
  ),
};

/** The command that is run. */
export const command = Argument.String("command").pipe(
  Argument.withDescription("The command, with its arguments, behind --"),
  Argument.variadic({ min: 1 }),
);
