import { Iovec, RWF } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, Fd, PidLike } from "../identifiers.ts";
import { fd, flags, input, offset, pid, size, word } from "../kinds.ts";
import { array } from "../Memory.ts";
import { transferred } from "../Result.ts";
import type { Word } from "../SyscallInterface.ts";

/** readv(2): `count` parts, each an iovec. */
export const readv = define<[fd: Fd, parts: Address, count: number], number>(
  "readv",
  [fd, input(array(Iovec, 2), "parts"), size.as("count")],
  transferred,
  { restarts: true },
);

/** writev(2): `count` parts, each an iovec. */
export const writev = define<[fd: Fd, parts: Address, count: number], number>(
  "writev",
  [fd, input(array(Iovec, 2), "parts"), size.as("count")],
  transferred,
  { restarts: true },
);

/** preadv(2). `high` is for machines of 32 bits. */
export const preadv = define<
  [fd: Fd, parts: Address, count: number, offset: number | bigint, high?: Word],
  number
>(
  "preadv",
  [fd, input(array(Iovec, 2), "parts"), size.as("count"), offset, word.as("high").or(0)],
  transferred,
  { restarts: true },
);

/** pwritev(2). `high` is for machines of 32 bits. */
export const pwritev = define<
  [fd: Fd, parts: Address, count: number, offset: number | bigint, high?: Word],
  number
>(
  "pwritev",
  [fd, input(array(Iovec, 2), "parts"), size.as("count"), offset, word.as("high").or(0)],
  transferred,
  { restarts: true },
);

/** preadv2(2): an offset of -1 uses the offset of the open file. */
export const preadv2 = define<
  [fd: Fd, parts: Address, count: number, offset: number | bigint, high: Word, flags: number],
  number
>(
  "preadv2",
  [
    fd,
    input(array(Iovec, 2), "parts"),
    size.as("count"),
    offset,
    word.as("high"),
    flags("RWF_", RWF),
  ],
  transferred,
  { restarts: true },
);

/** pwritev2(2): an offset of -1 uses the offset of the open file. */
export const pwritev2 = define<
  [fd: Fd, parts: Address, count: number, offset: number | bigint, high: Word, flags: number],
  number
>(
  "pwritev2",
  [
    fd,
    input(array(Iovec, 2), "parts"),
    size.as("count"),
    offset,
    word.as("high"),
    flags("RWF_", RWF),
  ],
  transferred,
  { restarts: true },
);

/** process_vm_readv(2): reads the memory of another process. `there` has addresses of that process. */
export const processVmReadv = define<
  [
    pid: PidLike,
    here: Address,
    hereCount: number,
    there: Address,
    thereCount: number,
    flags: number,
  ],
  number
>(
  "process_vm_readv",
  [
    pid,
    input(array(Iovec, 2), "here"),
    size.as("hereCount"),
    input(array(Iovec, 4), "there"),
    size.as("thereCount"),
    flags(),
  ],
  transferred,
);

/** process_vm_writev(2): writes the memory of another process. `there` has addresses of that process. */
export const processVmWritev = define<
  [
    pid: PidLike,
    here: Address,
    hereCount: number,
    there: Address,
    thereCount: number,
    flags: number,
  ],
  number
>(
  "process_vm_writev",
  [
    pid,
    input(array(Iovec, 2), "here"),
    size.as("hereCount"),
    input(array(Iovec, 4), "there"),
    size.as("thereCount"),
    flags(),
  ],
  transferred,
);
