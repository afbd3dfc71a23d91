import { Iovec, MADV, MAP, MCL, MLOCK, MREMAP, MSYNC, O, PROT } from "@rsyscall/abi";
import { define } from "../define.ts";
import { type Address, type Fd, NULL } from "../identifiers.ts";
import { fd, fdOrNone, flags, input, int, offset, oneOf, output, size } from "../kinds.ts";
import { array, unknown } from "../Memory.ts";
import { between, newAddress, newFd, nothing, transferred } from "../Result.ts";

/*
 * None of these calls is prompt: they may read files (MAP_POPULATE, locked memory), ask a FUSE server or wait for
 * the reader of a userfaultfd.
 */

const memory = input(unknown, "address");
const protection = flags("PROT_", PROT).as("protection");

/** mmap(2). `length` in bytes, rounded up to pages by the kernel; fd -1 for anonymous memory. */
export const mmap = define<
  [
    address: Address,
    length: number,
    protection: number,
    flags: number,
    fd: Fd | -1,
    offset: number | bigint,
  ],
  Address
>("mmap", [memory, size, protection, flags("MAP_", MAP, 0x0f), fdOrNone, offset], newAddress);

/** munmap(2) */
export const munmap = define<[address: Address, length: number], void>(
  "munmap",
  [memory, size],
  nothing,
);

/** madvise(2) */
export const madvise = define<[address: Address, length: number, advice: number], void>(
  "madvise",
  [memory, size, oneOf("MADV_", MADV, "advice")],
  nothing,
);

/** mprotect(2) */
export const mprotect = define<[address: Address, length: number, protection: number], void>(
  "mprotect",
  [memory, size, protection],
  nothing,
);

/** mremap(2) */
export const mremap = define<
  [address: Address, length: number, newLength: number, flags: number, newAddress?: Address],
  Address
>(
  "mremap",
  [
    memory,
    size,
    size.as("newLength"),
    flags("MREMAP_", MREMAP),
    input(unknown, "newAddress").or(NULL),
  ],
  newAddress,
);

/** msync(2) */
export const msync = define<[address: Address, length: number, flags: number], void>(
  "msync",
  [memory, size, flags("MS_", MSYNC)],
  nothing,
);

/** mincore(2): writes a byte for each page, whose lowest bit says whether the page is in memory. */
export const mincore = define<[address: Address, length: number, pages: Address], void>(
  "mincore",
  [memory, size, output(unknown, "pages")],
  nothing,
);

/** mlock(2) */
export const mlock = define<[address: Address, length: number], void>(
  "mlock",
  [memory, size],
  nothing,
);

/** mlock2(2) */
export const mlock2 = define<[address: Address, length: number, flags: number], void>(
  "mlock2",
  [memory, size, flags("MLOCK_", MLOCK)],
  nothing,
);

/** munlock(2) */
export const munlock = define<[address: Address, length: number], void>(
  "munlock",
  [memory, size],
  nothing,
);

/** mlockall(2) */
export const mlockall = define<[flags: number], void>("mlockall", [flags("MCL_", MCL)], nothing);

/** munlockall(2) */
export const munlockall = define<[], void>("munlockall", [], nothing);

/** mseal(2): makes the mappings unchangeable. Since Linux 6.10. */
export const mseal = define<[address: Address, length: number, flags: number], void>(
  "mseal",
  [memory, size, flags()],
  nothing,
);

/** pkey_alloc(2): gives a protection key. */
export const pkeyAlloc = define<[flags: number, rights: number], number>(
  "pkey_alloc",
  [flags(), flags("PKEY_", { DISABLE_ACCESS: 1, DISABLE_WRITE: 2 }).as("rights")],
  between(0, 2 ** 31 - 1),
);

/** pkey_free(2) */
export const pkeyFree = define<[key: number], void>("pkey_free", [int.as("key")], nothing);

/** pkey_mprotect(2): as mprotect, with a protection key. */
export const pkeyMprotect = define<
  [address: Address, length: number, protection: number, key: number],
  void
>("pkey_mprotect", [memory, size, protection, int.as("key")], nothing);

/** process_madvise(2): gives advice on memory of another process. */
export const processMadvise = define<
  [pidfd: Fd, parts: Address, count: number, advice: number, flags: number],
  number
>(
  "process_madvise",
  [
    fd.as("pidfd"),
    input(array(Iovec, 2), "parts"),
    size.as("count"),
    oneOf("MADV_", MADV, "advice"),
    flags(),
  ],
  transferred,
);

/** process_mrelease(2): frees the memory of a process that is dying. */
export const processMrelease = define<[pidfd: Fd, flags: number], void>(
  "process_mrelease",
  [fd.as("pidfd"), flags()],
  nothing,
);

/** memfd_secret(2): makes memory that not even the kernel maps. */
export const memfdSecret = define<[flags: number], Fd>(
  "memfd_secret",
  [flags("O_", { CLOEXEC: O.CLOEXEC })],
  newFd,
);
