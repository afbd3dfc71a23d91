import { LocalThread } from "@rsyscall/thread";
import { type CommandLine, type WatchOptions, watch } from "@rsyscall/watch";
import { Effect } from "effect";
import { statusOf } from "../statusOf.ts";

type Options = Omit<WatchOptions, "command"> & { readonly command: ReadonlyArray<string> };

export const run = ({ command, ...options }: Options): Promise<number> =>
  statusOf(
    Effect.flatMap(LocalThread, (thread) =>
      watch(thread, { ...options, command: command as unknown as CommandLine }),
    ),
  );
