import type { Abi } from "@rsyscall/abi";
import {
  Arena,
  type ConnectionOptions,
  LocalCalls,
  SharedMemoryTransport,
  SocketMemoryTransport,
  type SyscallConnection,
  SyscallSocket,
} from "@rsyscall/connection";
import { AsyncFileDescriptor, type Epoller } from "@rsyscall/epoller";
import type { FileDescriptor, HandleFailure, Socket, Task } from "@rsyscall/handle";
import { Allocator, type Reserve } from "@rsyscall/memory";
import { Address } from "@rsyscall/near";
import { RING_SIZE } from "@rsyscall/wire";
import { Effect, type Scope } from "effect";
import type { Transport } from "./bootstrapThread.ts";
import type { Description } from "./hello.ts";

/** How calls get to a process, and where its memory is. */
export interface Connected {
  readonly sysif: SyscallConnection;
  readonly allocator: Allocator;
  /** Undefined if its memory is not ours as well. */
  readonly memory: Arena | undefined;
}

/** Whether these can be whole pages of memory. */
const isMemory = (address: number, size: number, pageSize: number): boolean =>
  address % pageSize === 0 &&
  size % pageSize === 0 &&
  // Beyond that, sums are not exact, and what lies outside would pass for a part of it.
  Number.isSafeInteger(address + size);

/**
 * The arena that a process offers, if this very process can map it, and it is what the process says. Undefined
 * otherwise: then calls and memory go through sockets.
 */
export const takeArena = (
  accessTask: Task,
  memfd: FileDescriptor | undefined,
  { arena: { address, size }, pageSize }: Description,
): Arena | undefined => {
  const local = LocalCalls.of(accessTask);
  return memfd !== undefined && local !== undefined && isMemory(address, size, pageSize)
    ? Arena.take(local, memfd, address, size)
    : undefined;
};

/** What a connection through an arena is made of. Its first page is the ring. */
export const ringOptions = (
  abi: Abi,
  epoller: Epoller,
  socket: Socket,
  arena: Arena,
  { syscallFd, pageSize }: Description,
): ConnectionOptions<SharedMemoryTransport> => {
  const { address, size, windowSize } = arena;
  return {
    abi,
    socket,
    epoller,
    serverFd: syscallFd,
    memory: (sysif) => {
      const allocator = new Allocator(sysif, pageSize, {
        window: { address: Address(address + RING_SIZE), size: windowSize - RING_SIZE },
        reserve: {
          address: Address(address + windowSize),
          size: size - windowSize,
          discard: (from, length) => arena.discard(from, length),
        },
      });
      return new SharedMemoryTransport(sysif, arena, allocator);
    },
  };
};

/**
 * The arena as plain memory of a process that stays, if we do not share it. The process unmaps it after each
 * controller, so nothing of ours is left behind; memory that we map there would be.
 */
const reserveOf = ({ arena, listeningFd, pageSize }: Description): Reserve | undefined =>
  listeningFd !== undefined && arena.size > 0 && isMemory(arena.address, arena.size, pageSize)
    ? arena
    : undefined;

/** Through sockets, one of them for what is in memory. */
export const connectBySockets: (
  abi: Abi,
  transport: Pick<Transport, "accessEpoller" | "isCut" | "relay">,
  syscalls: Socket,
  data: Socket,
  description: Description,
) => Effect.Effect<Connected, HandleFailure, Scope.Scope> = Effect.fnUntraced(function* (
  abi,
  { accessEpoller, isCut, relay },
  syscalls,
  data,
  description,
) {
  const { syscallFd, dataFd, pageSize } = description;
  const dataSocket = yield* AsyncFileDescriptor.make(accessEpoller, data);
  const sysif = yield* SyscallSocket.make({
    abi,
    socket: syscalls,
    epoller: accessEpoller,
    serverFd: syscallFd,
    isCut: () => isCut?.(syscalls) ?? false,
    relay: relay?.(syscalls),
    memory: (connection) => new SocketMemoryTransport(connection, dataSocket, dataFd),
  });
  const allocator = new Allocator(sysif, pageSize, { reserve: reserveOf(description) });
  return { sysif, allocator, memory: undefined };
});
