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

/** A whole number from 0 on. */
export const wholeNumber = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(
    Flag.mapTryCatch(
      (text) => {
        if (!/^\d{1,9}$/.test(text)) throw new Error();
        return Number(text);
      },
      () => "it must be a whole number from 0 on",
    ),
    Flag.withMetavar(metavar),
    Flag.withDescription(description),
  );

/** A whole number from 1 on. */
export const countFrom1 = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(
    Flag.mapTryCatch(
      (text) => {
        if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error();
        return Number(text);
      },
      () => "it must be a whole number from 1 on",
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
