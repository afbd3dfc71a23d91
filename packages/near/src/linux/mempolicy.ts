import { Int32, Uint64 } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Address, PidLike } from "../identifiers.ts";
import { flags, input, output, pid, size } from "../kinds.ts";
import { array, unknown, value } from "../Memory.ts";
import { nothing, someOffset } from "../Result.ts";

/** mbind(2): takes a mask of NUMA nodes of `count` bits. */
export const mbind = define<
  [address: Address, length: number, policy: number, nodes: Address, count: number, flags: number],
  void
>(
  "mbind",
  [
    input(unknown, "address"),
    size,
    flags().as("policy"),
    input(unknown, "nodes"),
    size.as("count"),
    flags(),
  ],
  nothing,
);

/** set_mempolicy(2): takes a mask of NUMA nodes of `count` bits. */
export const setMempolicy = define<[policy: number, nodes: Address, count: number], void>(
  "set_mempolicy",
  [flags().as("policy"), input(unknown, "nodes"), size.as("count")],
  nothing,
);

/** get_mempolicy(2): writes a 32-bit policy, and a mask of NUMA nodes of `count` bits. */
export const getMempolicy = define<
  [policy: Address, nodes: Address, count: number, address: Address, flags: number],
  void
>(
  "get_mempolicy",
  [
    output(value(Int32), "policy"),
    output(unknown, "nodes"),
    size.as("count"),
    input(unknown, "address"),
    flags(),
  ],
  nothing,
);

/** set_mempolicy_home_node(2) */
export const setMempolicyHomeNode = define<
  [address: Address, length: number, node: number, flags: number],
  void
>("set_mempolicy_home_node", [input(unknown, "address"), size, size.as("node"), flags()], nothing);

/** migrate_pages(2): takes masks of NUMA nodes of `count` bits. Gives the number of pages that could not be moved. */
export const migratePages = define<
  [pid: PidLike, count: number, from: Address, to: Address],
  number
>(
  "migrate_pages",
  [pid, size.as("count"), input(unknown, "from"), input(unknown, "to")],
  someOffset,
);

/** move_pages(2): takes `count` 64-bit addresses and 32-bit nodes. */
export const movePages = define<
  [pid: PidLike, count: number, pages: Address, nodes: Address, status: Address, flags: number],
  number
>(
  "move_pages",
  [
    pid,
    size.as("count"),
    input(array(Uint64, 1), "pages"),
    input(array(Int32, 1), "nodes"),
    output(array(Int32, 1), "status"),
    flags(),
  ],
  someOffset,
);
