import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { copyFile as copyFileByNode, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyFile, Memfd } from "@rsyscall/handle";
import { ThreadFileSystem } from "@rsyscall/platform";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { fileCopies } from "./cPrograms.ts";
import { interleaved, timed } from "./interleaved.ts";
import type { Row } from "./Row.ts";
import type { Remotes } from "./remote.ts";

const KIB = 1024;

/** A directory in memory, if there is one: a disk would take more time than everything measured here. */
const directoryInMemory = Effect.acquireRelease(
  Effect.sync(() =>
    mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "rsyscall-bench-")),
  ),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true })),
);

/** MiB of a file that is copied. */
const COPIED = 64;

/** A file in memory of a thread, copied there. */
const copyIn = (thread: Thread, bytes: Uint8Array) =>
  Effect.gen(function* () {
    const from = yield* Memfd.make(thread, "from");
    yield* from.writeAllBytes(bytes);
    return copyFile(from, yield* Memfd.make(thread, "to"));
  });

const copies = ({ local, ring }: Remotes, directory: string, scale: number) =>
  Effect.gen(function* () {
    const bytes = new Uint8Array(COPIED * KIB * KIB).fill(1);
    const path = `${directory}/copied`;
    yield* Effect.promise(() => writeFile(path, bytes));
    const all = yield* interleaved({
      local: timed(scale, yield* copyIn(local, bytes)),
      remote: timed(scale, yield* copyIn(ring, bytes)),
      node: timed(
        scale,
        Effect.promise(() => copyFileByNode(path, `${path}.copy`)),
      ),
      floor: () => fileCopies(scale, COPIED),
    });
    const floor = { name: "copy_file_range in C", samples: all.floor };
    return rowsOf(`copyFile of ${COPIED} MiB`, all, "fs/promises").map((row) => ({
      ...row,
      floor,
      aims: [{ ofFloor: 1.2 }],
    }));
  });

/** Effect's FileSystem beside fs/promises of Node. */
export const files = (remotes: Remotes, scale: number) =>
  Effect.gen(function* () {
    const { local, ring } = remotes;
    const directory = yield* directoryInMemory;
    const count = 40 * scale;
    const path = `${directory}/file`;
    const here = ThreadFileSystem.make(local);
    const there = ThreadFileSystem.make(ring);
    const rows: Array<Row> = [];
    for (const size of [4 * KIB, KIB * KIB]) {
      const bytes = new Uint8Array(size).fill(1);
      const text = size < KIB * KIB ? `${size / KIB} KiB` : `${size / KIB / KIB} MiB`;
      const written = yield* interleaved({
        local: timed(count, here.writeFile(path, bytes)),
        remote: timed(count, there.writeFile(path, bytes)),
        node: timed(
          count,
          Effect.promise(() => writeFile(path, bytes)),
        ),
      });
      const read = yield* interleaved({
        local: timed(count, here.readFile(path)),
        remote: timed(count, there.readFile(path)),
        node: timed(
          count,
          Effect.promise(() => readFile(path)),
        ),
      });
      rows.push(
        ...rowsOf(`writing a file of ${text}`, written, "fs/promises"),
        ...rowsOf(`reading a file of ${text}`, read, "fs/promises"),
      );
    }
    const asked = yield* interleaved({
      local: timed(count, here.stat(path)),
      remote: timed(count, there.stat(path)),
      node: timed(
        count,
        Effect.promise(() => stat(path)),
      ),
    });
    return [
      ...rows,
      ...rowsOf("stat of a file", asked, "fs/promises"),
      ...(yield* copies(remotes, directory, scale)),
    ];
  }).pipe(Effect.scoped);

const rowsOf = (
  name: string,
  samples: Record<"local" | "remote" | "node", Array<number>>,
  node: string,
): ReadonlyArray<Row> => {
  const instead = { name: node, samples: samples.node };
  return [
    {
      name: `${name}, here`,
      unit: "ns",
      samples: samples.local,
      instead,
      aims: [{ ofInstead: 1 }],
    },
    { name: `${name}, in a stub`, unit: "ns", samples: samples.remote, instead },
  ];
};
