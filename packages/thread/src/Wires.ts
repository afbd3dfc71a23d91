import { CLONE } from "@rsyscall/abi";
import {
  LocalCalls,
  ownMemory,
  SharedMemoryTransport,
  SocketMemoryTransport,
  type SyscallConnection,
  SyscallRing,
  SyscallSocket,
} from "@rsyscall/connection";
import { AsyncFileDescriptor } from "@rsyscall/epoller";
import {
  FileDescriptor,
  type HandleFailure,
  type Socket,
  UseAfterFreeError,
} from "@rsyscall/handle";
import { unviewMemory, viewMemory } from "@rsyscall/native";
import { type Address, type Fd, SyscallError, SyscallSendError } from "@rsyscall/near";
import { RING_SIZE } from "@rsyscall/wire";
import { Effect, Exit, Scope } from "effect";
import type { ThreadFields } from "./ThreadFields.ts";

/** The channels of a child that is not there yet. Their scope closes the controller's ends. */
export interface Wires {
  /**
   * The numbers that the child will have: for its system calls, for its memory unless the controller shares it, and to
   * pass descriptors unless it shares its parent's table.
   */
  readonly far: readonly [syscalls: Fd, ...others: ReadonlyArray<Fd>];
  /** The controller's end of the last of them, if descriptors are passed. */
  readonly passing: Socket | undefined;
  /**
   * Makes the connection.
   *
   * @param ring the address of the child's ring, if the controller shares its memory
   */
  readonly connect: (ring: Address) => Effect.Effect<SyscallConnection, HandleFailure>;
  /** Gives up the far ends: the child has them, or copies of them. */
  readonly handOver: () => Effect.Effect<void>;
}

/** Opens the channels of a child. In this process that is plain code: every fork does it. */
export const openWires = (
  parent: ThreadFields,
  flags: number,
  scope: Scope.Scope,
): Effect.Effect<Wires, HandleFailure> =>
  Effect.suspend(() => {
    const calls = LocalCalls.undecorated(parent.task);
    return calls !== undefined && parent.memory === ownMemory && (flags & CLONE.FILES) === 0
      ? openHere(parent, calls, scope)
      : openElsewhere(parent, flags, scope);
  });

const openHere = (
  { task, connection }: ThreadFields,
  calls: LocalCalls,
  scope: Scope.Scope,
): Effect.Effect<Wires, HandleFailure> => {
  const { accessEpoller } = connection;
  const near: Array<Socket> = [];
  let far: Array<Fd> = [];
  let ring: ArrayBuffer | undefined;
  let started: { readonly connection: SyscallConnection; readonly end: () => void } | undefined;
  const handOver = (): Effect.Effect<void> => {
    for (const fd of far) calls.closeFar(fd);
    far = [];
    return Effect.void;
  };
  const close = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> => {
    started?.end();
    started?.connection.fail(undefined);
    if (ring !== undefined) unviewMemory(ring);
    // This process closes its descriptors at once.
    for (const socket of near) FileDescriptor.releaseNow(socket, exit);
    return handOver();
  };
  const connect = (address: Address): Effect.Effect<SyscallConnection, HandleFailure> => {
    ring = viewMemory(address, RING_SIZE);
    new Uint8Array(ring).fill(0);
    return orThrown(() => {
      const options = {
        abi: task.abi,
        socket: near[0] as Socket,
        epoller: accessEpoller,
        serverFd: far[0] as Fd,
        memory: (sysif: SyscallConnection) =>
          new SharedMemoryTransport(sysif, ownMemory, task.allocator),
      };
      started = SyscallRing.start(options, { buffer: ring as ArrayBuffer, address }, "child");
      return started.connection;
    });
  };
  return Effect.flatMap(Scope.addFinalizerExit(scope, close), () =>
    orThrown((): Wires => {
      for (let i = 0; i < 2; i++) {
        const pair = calls.pair();
        if (typeof pair === "number") throw SyscallError.from("socketpair", pair);
        near.push(pair[0]);
        far.push(pair[1]);
      }
      return { far: far as [Fd, Fd], passing: near[1] as Socket, connect, handOver };
    }),
  );
};

/** The value, or the error that plain code throws. */
const orThrown = <A>(make: () => A): Exit.Exit<A, HandleFailure> => {
  try {
    return Exit.succeed(make());
  } catch (error) {
    const isExpected =
      error instanceof SyscallError ||
      error instanceof SyscallSendError ||
      error instanceof UseAfterFreeError;
    if (isExpected) return Exit.fail(error);
    throw error;
  }
};

const openElsewhere = (
  parent: ThreadFields,
  flags: number,
  scope: Scope.Scope,
): Effect.Effect<Wires, HandleFailure> => {
  const { connection, memory } = parent;
  const hasData = memory === undefined;
  const hasPassing = (flags & CLONE.FILES) === 0;
  const opened = connection.openChannels(1 + Number(hasData) + Number(hasPassing));
  return Effect.map(Scope.provide(opened, scope), (channels) => {
    for (const [, far] of channels) far.closeOnFork = true;
    const [syscalls, ...rest] = channels as [[Socket, Socket], ...Array<[Socket, Socket]>];
    const data = hasData ? rest[0] : undefined;
    const far = channels.map(([, { near }]) => near);
    return {
      far: far as [Fd, ...Array<Fd>],
      passing: hasPassing ? rest.at(-1)?.[0] : undefined,
      connect: (ring) => Scope.provide(connect(parent, syscalls, data, ring), scope),
      handOver: () => Effect.forEach(channels, ([, far]) => far.release(), { discard: true }),
    };
  });
};

/** Whether the memory of a thread is that of this process. */
export const isOurs = ({ task, connection: { accessTask } }: ThreadFields): boolean =>
  task.addressSpace === accessTask.addressSpace;

const connect = Effect.fnUntraced(function* (
  parent: ThreadFields,
  [access, far]: [Socket, Socket],
  data: [Socket, Socket] | undefined,
  ring: Address,
): Effect.fn.Return<SyscallConnection, HandleFailure, Scope.Scope> {
  const { task, memory, connection } = parent;
  const { accessTask, accessEpoller } = connection;
  const options = {
    abi: task.abi,
    socket: access,
    epoller: accessEpoller,
    serverFd: far.near,
  };
  if (memory !== undefined) {
    const { allocator } = isOurs(parent) ? accessTask : task;
    const mapped = yield* memory.map(ring, RING_SIZE);
    new Uint8Array(mapped.buffer).fill(0);
    return yield* SyscallRing.make(
      { ...options, memory: (sysif) => new SharedMemoryTransport(sysif, memory, allocator) },
      mapped,
    );
  }
  const [dataAccess, dataFar] = data as [Socket, Socket];
  const dataSocket = yield* AsyncFileDescriptor.make(accessEpoller, dataAccess);
  return yield* SyscallSocket.make({
    ...options,
    isCut: () => connection.isCut?.(access) ?? false,
    relay: connection.relay?.(access),
    memory: (sysif) => new SocketMemoryTransport(sysif, dataSocket, dataFar.near),
  });
});
