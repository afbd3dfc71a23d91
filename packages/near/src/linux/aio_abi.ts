import { Timespec, Uint64 } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address } from "../identifiers.ts";
import { inout, input, output, smallSize, uint, word } from "../kinds.ts";
import { array, unknown, value } from "../Memory.ts";
import { countOf, nothing } from "../Result.ts";
import type { Word } from "../SyscallInterface.ts";

/** io_setup(2): the 64-bit context must be 0 before. */
export const ioSetup = define<[count: number, context: Address], void>(
  "io_setup",
  [uint.as("count"), inout(value(Uint64), "context")],
  nothing,
);

/** io_destroy(2) */
export const ioDestroy = define<[context: Word], void>("io_destroy", [word.as("context")], nothing);

/** io_submit(2): an array of addresses of `struct iocb`. */
export const ioSubmit = define<[context: Word, count: number, requests: Address], number>(
  "io_submit",
  [word.as("context"), smallSize.as("count"), input(array(Uint64, 1), "requests")],
  countOf(1),
);

/** io_cancel(2) */
export const ioCancel = define<[context: Word, request: Address, event: Address], void>(
  "io_cancel",
  [word.as("context"), input(unknown, "request"), output(unknown, "event")],
  nothing,
);

/** io_getevents(2): writes `struct io_event`s of 32 bytes. */
export const ioGetevents = define<
  [context: Word, least: number, most: number, events: Address, timeout: Address],
  number
>(
  "io_getevents",
  [
    word.as("context"),
    smallSize.as("least"),
    smallSize.as("most"),
    output(unknown, "events"),
    input(value(Timespec), "timeout"),
  ],
  countOf(2),
);

/** io_pgetevents(2): as io_getevents, with a set of signals and its size. */
export const ioPgetevents = define<
  [context: Word, least: number, most: number, events: Address, timeout: Address, mask: Address],
  number
>(
  "io_pgetevents",
  [
    word.as("context"),
    smallSize.as("least"),
    smallSize.as("most"),
    output(unknown, "events"),
    input(value(Timespec), "timeout"),
    input(unknown, "mask"),
  ],
  countOf(2),
);
