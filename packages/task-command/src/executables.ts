import { readFile } from "node:fs/promises";
import { abiOf } from "@rsyscall/abi";
import { taskPath } from "@rsyscall/native";
import { type PathLike, pathText } from "@rsyscall/near";
import { HandshakeError } from "@rsyscall/transport";
import { Effect } from "effect";

/** Executables by machine, as in uname(1). */
export type Executables = ReadonlyMap<string, Uint8Array>;

/** Reads executables, and checks their machine: the error of a far shell would be less clear. */
export const readExecutables = (
  paths: Readonly<Record<string, PathLike>>,
): Effect.Effect<Executables, HandshakeError> =>
  Effect.map(
    Effect.forEach(Object.entries(paths), ([machine, path]) =>
      Effect.map(readExecutable(machine, pathText(path)), (bytes) => [machine, bytes] as const),
    ),
    (entries) => new Map(entries),
  );

/** Machines by Node's names for them. */
const machines: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };

let own: Executables | undefined;

/** As `readExecutables`, for the executable of this package, for the machine of this process. It is read once. */
export const readOwnExecutable: Effect.Effect<Executables, HandshakeError> = Effect.suspend(() =>
  own !== undefined
    ? Effect.succeed(own)
    : Effect.tap(readExecutables({ [machines[process.arch] as string]: taskPath }), (read) =>
        Effect.sync(() => (own = read)),
      ),
);

const readExecutable = Effect.fnUntraced(function* (
  machine: string,
  path: string,
): Effect.fn.Return<Uint8Array, HandshakeError> {
  const bytes = yield* Effect.tryPromise({
    try: () => readFile(path),
    catch: (cause) => new HandshakeError({ problem: `cannot read ${path}: ${cause}`, cause }),
  });
  const is = machineOf(bytes);
  if (is !== machine)
    return yield* new HandshakeError({
      problem: `${path} is ${is === undefined ? "no program" : `a program for ${is}`}, and is to be sent to ${machine}: give the path of an rsyscall-task for ${machine} in \`executables\``,
    });
  return bytes;
});

/** Returns the machine of a program by its header: elf(5). */
const machineOf = (program: Buffer): string | undefined => {
  if (program.length < 64 || program.toString("latin1", 0, 4) !== "\x7fELF") return undefined;
  const machine = program.readUInt16LE(18);
  return abiOf(machine)?.machine ?? `ELF machine ${machine}`;
};
