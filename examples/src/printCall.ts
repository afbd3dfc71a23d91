import { Effect } from "effect";
import type { StubCall } from "rsyscall";

/** Prints the caller, argv and directory of a call. `details` are printed as they are; lines of text are indented. */
export const printCall = (
  call: StubCall,
  details: Readonly<Record<string, string | number>>,
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const parent = yield* call.thread.slurp(`/proc/${call.ppid}/comm`).pipe(
      Effect.map((bytes) => new TextDecoder().decode(bytes).trim()),
      // The parent may be in another pid namespace, or gone.
      Effect.orElseSucceed(() => "unknown program"),
    );
    const lines = {
      argv: JSON.stringify(call.argv),
      pid: `${call.pid}, started by ${parent} (pid ${call.ppid})`,
      cwd: call.cwd?.text ?? "removed",
      ...details,
    };
    console.log(`${call.argv[0]?.split("/").at(-1)} was called:`);
    for (const [name, value] of Object.entries(lines)) console.log(field(name, String(value)));
    console.log();
  });

const field = (name: string, value: string): string => {
  const [first = "", ...rest] = value.trimEnd().split("\n");
  return [`  ${name.padEnd(8)} ${first}`, ...rest.map((line) => ` ${" ".repeat(10)}${line}`)].join(
    "\n",
  );
};
