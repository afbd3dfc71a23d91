import { Bytes } from "@rsyscall/abi";
import type { Pointer } from "@rsyscall/handle";
import type { Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { vmCopies } from "./cPrograms.ts";
import { apart, pinned } from "./cpus.ts";
import { echoChild } from "./echoChild.ts";
import { interleaved, timed, timedTogether } from "./interleaved.ts";
import type { Aim, Row } from "./Row.ts";
import type { Remotes } from "./remote.ts";

interface Size {
  readonly name: string;
  readonly bytes: number;
  readonly count: number;
  readonly aims: ReadonlyArray<Aim>;
}

const sizes: ReadonlyArray<Size> = [
  { name: "64 B", bytes: 64, count: 400, aims: [{ most: 2000 }] },
  { name: "4 KiB", bytes: 4096, count: 400, aims: [] },
  { name: "1 MiB", bytes: 1024 * 1024, count: 4, aims: [] },
  { name: "64 MiB", bytes: 64 * 1024 * 1024, count: 1, aims: [{ ofFloor: 2 }] },
];

/** Memory allocated, written, read back and freed. */
const thereAndBack = (thread: Thread, value: Uint8Array) =>
  Effect.scoped(Effect.flatMap(thread.ptr(value), (pointer) => pointer.read()));

/** As `thereAndBack`, in memory that is allocated once and into an array that is made once. */
const throughKept = (thread: Thread, value: Uint8Array) =>
  Effect.map(thread.ptr(value), (first: Pointer<Uint8Array>) => {
    const bytes = new Uint8Array(value.length);
    let pointer = first;
    return Effect.flatMap(
      Effect.suspend(() => pointer.write(value)),
      (written) => {
        pointer = written;
        return written.readInto(bytes);
      },
    );
  });

/** Memory of a stub, written and read back. */
export const remoteMemory = ({ local, ring, socket }: Remotes, scale: number) =>
  Effect.map(
    Effect.forEach(sizes, ({ name, bytes, count, aims }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const value = new Uint8Array(bytes).fill(1);
          const rounds = bytes > 2 ** 20 ? Math.ceil(scale / 5) : count * scale;
          const time = bytes > 4096 ? timed : timedTogether;
          const echo = yield* echoChild;
          const all = yield* pinned(
            [local, ring, socket],
            apart,
            interleaved({
              ring: time(rounds, thereAndBack(ring, value)),
              kept: time(rounds, yield* throughKept(ring, value)),
              socket: timed(Math.ceil(rounds / 20), thereAndBack(socket, value)),
              copies: time(
                rounds,
                Effect.sync(() => Bytes.decode(value.slice())),
              ),
              vm: () => vmCopies("kept", rounds, bytes),
              vmFresh: () => vmCopies("fresh", rounds, bytes),
              echo: timed(Math.ceil(rounds / 20), echo(value)),
            }),
          );
          const floor = { name: "two copies here", samples: all.copies };
          const instead = { name: "process.send and back", samples: all.echo };
          const vm = { name: "process_vm_writev and readv in C", samples: all.vm };
          const vmFresh = {
            name: "process_vm_writev and readv into fresh memory in C",
            samples: all.vmFresh,
          };
          const shared = {
            name: `${name} into a stub and back`,
            unit: "ns",
            samples: all.ring,
          } as const;
          const rows: Array<Row> = [
            { ...shared, floor, instead, aims },
            { ...shared, floor: vmFresh, aims: bytes > 4096 ? [{ ofFloor: 1.3 }] : [] },
            {
              name: `${name} into memory of a stub that is kept, and back`,
              unit: "ns",
              samples: all.kept,
              floor: vm,
              aims: bytes > 4096 ? [{ ofFloor: 1.3 }] : bytes === 64 ? [{ most: 1000 }] : [],
            },
            {
              name: `${name} into a stub and back, over sockets`,
              unit: "ns",
              samples: all.socket,
              floor,
              instead,
            },
          ];
          return rows;
        }),
      ),
    ),
    (rows) => rows.flat(),
  );
