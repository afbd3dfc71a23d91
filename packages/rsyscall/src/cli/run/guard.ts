import { LocalThread } from "@rsyscall/thread";
import { type CommandLine, type GuardOptions, guard } from "@rsyscall/watch";
import { Effect } from "effect";
import { statusOf } from "../statusOf.ts";

type Options = Omit<GuardOptions, "command"> & { readonly command: ReadonlyArray<string> };

export const run = ({ command, ...options }: Options): Promise<number> =>
  statusOf(
    Effect.flatMap(LocalThread, (thread) =>
      guard(thread, { ...options, command: command as unknown as CommandLine }),
    ),
  );
