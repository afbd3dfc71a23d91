import {
  alignTo,
  type Control,
  type ControlMessage,
  cmsgSpace,
  controlMessages,
  controlOf,
  decodeControl,
  decodeSockaddr,
  encodeControl,
  encodeScmRights,
  Int32,
  Iovec,
  Mmsghdr,
  MSG,
  Msghdr,
  SCM,
  SOCKADDR_STORAGE_SIZE,
  SOL,
  type Sockaddr,
  Ucred,
} from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, Exit } from "effect";
import type { BorrowFailure, MallocFailure } from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import { addressBytes, addressText } from "../internal/addresses.ts";
import {
  argument,
  size as byteSize,
  checkedCount,
  encodedBy,
  type Rule,
} from "../internal/checked.ts";
import { decodeFds } from "../internal/decodeFds.ts";
import type { Task } from "../Task.ts";
import { Pidfd } from "./pidfd.ts";

/*
 * Messages of sendmsg(2) and recvmsg(2), one or several, in one block of memory: the headers, the pieces (iovec), for
 * each message its address and control messages, and then the bytes.
 */

/** A message to be sent: sendmsg(2). */
export interface OutgoingMessage {
  /** The bytes, or pieces that are sent as one. Default: none. */
  readonly bytes?: Uint8Array | ReadonlyArray<Uint8Array>;
  /** Where to; by default to the peer of a connected socket. */
  readonly address?: Sockaddr | Uint8Array;
  /** Descriptors to pass (SCM_RIGHTS), at most 253. They stay open here. */
  readonly fds?: ReadonlyArray<FileDescriptor>;
  /** Other control messages, by their names: `{ IP_PKTINFO: {...} }`. */
  readonly control?: Control;
}

/** What a message may bring: recvmsg(2). */
export interface MessageRoom {
  /** The most bytes; several numbers for pieces that are filled one after the other. Default: 65536. */
  readonly size?: number | ReadonlyArray<number>;
  /** The most descriptors. Further ones are closed, and MSG.CTRUNC is among the flags. Default: 0. */
  readonly fds?: number;
  /** Bytes for control messages other than descriptors, credentials and a pidfd. Default: 1024. */
  readonly control?: number;
  /** Whether to ask for the address of the sender. Default: true. */
  readonly address?: boolean;
  /** Whether to keep the pidfd of the sender (SO_PASSPIDFD). If not, it is closed, as a further descriptor. Default: true. */
  readonly pidfd?: boolean;
}

/** The result of recvmsg(2): bytes, and the descriptors that came with them. */
export interface Received {
  /** The bytes of the message, without its control messages. */
  readonly bytes: Uint8Array;
  /** In the receiving task's table, close-on-exec. */
  readonly fds: ReadonlyArray<FileDescriptor>;
  /**
   * `msg_flags`, of `MSG`: TRUNC if a datagram had more bytes, CTRUNC if there were more descriptors or other
   * control messages than there was room for, or than RLIMIT_NOFILE allows.
   */
  readonly flags: number;
  /** The result of the call: the size of the whole datagram if MSG.TRUNC is among its flags, else that of `bytes`. */
  readonly length: number;
}

/** The result of recvfrom(2): bytes, and where they come from. */
export interface ReceivedFrom extends Omit<Received, "fds"> {
  /** The address of the sender; undefined if it has none, and on a connected stream. */
  readonly address: Sockaddr | undefined;
}

/** A message with all that came with it: recvmsg(2). */
export interface ReceivedMessage extends Received, ReceivedFrom {
  /** The bytes in the pieces that were asked for; shorter and empty ones behind the end. */
  readonly pieces: ReadonlyArray<Uint8Array>;
  /** The control messages, by their names. */
  readonly control: Control;
  /** The process that has sent the message, if SO_PASSPIDFD is set: SCM_PIDFD. */
  readonly pidfd: Pidfd | undefined;
}

/** All descriptors that came with a message. */
export const descriptorsOf = ({ fds, pidfd }: ReceivedMessage): ReadonlyArray<FileDescriptor> =>
  pidfd === undefined ? fds : [...fds, pidfd];

/** Descriptors that one message can carry: SCM_MAX_FD of the kernel. */
const FDS_AT_MOST = 253;

/** Room for control messages beside descriptors: SCM_CREDENTIALS with SO_PASSCRED, SCM_PIDFD with SO_PASSPIDFD. */
const SENDER_SIZE = cmsgSpace(Ucred.size) + cmsgSpace(Int32.size);

/** Messages of one call, and pieces of one message: UIO_MAXIOV of the kernel. */
const MESSAGES_AT_MOST = 1024;
const PIECES_AT_MOST = MESSAGES_AT_MOST;

/** The sizes of the parts of a message; bytes. */
interface Extent {
  readonly address: number;
  readonly control: number;
  readonly pieces: ReadonlyArray<number>;
}

/** Where the parts of a message lie in the block. */
interface Place extends Extent {
  readonly addressAt: number;
  readonly controlAt: number;
  dataAt: number;
  dataSize: number;
}

/** A block of memory with messages. */
interface Layout {
  readonly places: ReadonlyArray<Place>;
  /** Where the pieces are, which follow the headers. */
  readonly iovAt: number;
  /** The size of the headers and the pieces. */
  readonly headersSize: number;
  /** Where the bytes of the first message begin: what precedes them is not bytes. */
  readonly dataAt: number;
  readonly size: number;
}

const layoutOf = (extents: ReadonlyArray<Extent>): Layout => {
  const iovAt = extents.length * Mmsghdr.size;
  let at = iovAt;
  for (const { pieces } of extents) at += pieces.length * Iovec.size;
  const headersSize = at;
  const places: Array<Place> = [];
  for (const { address, control, pieces } of extents) {
    const controlAt = at + alignTo(address, 8);
    places.push({ address, control, pieces, addressAt: at, controlAt, dataAt: 0, dataSize: 0 });
    at = controlAt + alignTo(control, 8);
  }
  const dataAt = at;
  for (const place of places) {
    place.dataAt = at;
    for (const size of place.pieces) at += size;
    place.dataSize = at - place.dataAt;
  }
  return { places, iovAt, headersSize, dataAt, size: at };
};

/** Writes the headers and the pieces of the messages of a block that is at `base` in the task. */
const writeHeaders = (
  { places, iovAt }: Layout,
  base: near.Address,
  block: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> => {
  let headerAt = 0;
  let iov = iovAt;
  for (const place of places) {
    Msghdr.encode(
      {
        name: place.address === 0 ? 0 : base + place.addressAt,
        nameLength: place.address,
        iov: base + iov,
        iovLength: place.pieces.length,
        control: place.control === 0 ? 0 : base + place.controlAt,
        controlLength: place.control,
        flags: 0,
      },
      headerAt === 0 ? block : block.subarray(headerAt),
    );
    headerAt += Mmsghdr.size;
    let pieceAt = base + place.dataAt;
    for (const length of place.pieces) {
      Iovec.encode({ base: pieceAt, length }, block.subarray(iov));
      iov += Iovec.size;
      pieceAt += length;
    }
  }
  return block;
};

/** A message as bytes. */
interface Encoded {
  readonly address: Uint8Array;
  readonly control: Uint8Array;
  readonly pieces: ReadonlyArray<Uint8Array>;
  readonly about: string | undefined;
}

const EMPTY = new Uint8Array(0);

const notBytes = (value: unknown): near.InvalidArgumentError =>
  new near.InvalidArgumentError({
    syscall: "sendmsg",
    argument: "bytes",
    value,
    expected: `a Uint8Array, as a Buffer is, or a list of at most ${PIECES_AT_MOST}`,
  });

const NOTHING = Exit.succeed(EMPTY);

const encodedMessage = (
  task: Task,
  { bytes, address, fds, control }: OutgoingMessage,
): Effect.Effect<Encoded, near.InvalidArgumentError | BorrowFailure> => {
  const pieces = bytes === undefined ? [] : bytes instanceof Uint8Array ? [bytes] : bytes;
  if (
    !Array.isArray(pieces) ||
    pieces.length > PIECES_AT_MOST ||
    !pieces.every((piece) => piece instanceof Uint8Array)
  )
    return Exit.fail(notBytes(bytes));
  const others =
    control === undefined
      ? NOTHING
      : encodedBy(
          {
            syscall: "sendmsg",
            argument: "control",
            value: control,
            expected: "control messages by the names of controlTypes",
          },
          () => encodeControl(controlMessages(control)),
        );
  if (Exit.isFailure(others)) return Exit.failCause(others.cause);
  const to = address === undefined ? NOTHING : addressBytes("sendmsg", address);
  if (Exit.isFailure(to)) return Exit.failCause(to.cause);
  const message = (control: Uint8Array): Encoded => ({
    address: to.value,
    control,
    pieces,
    about: address === undefined ? undefined : addressText(address),
  });
  return fds === undefined || fds.length === 0
    ? Exit.succeed(message(others.value))
    : Effect.map(
        Effect.forEach(fds, (fd) => fd.borrow(task)),
        (numbers) => {
          const rights = encodeScmRights(numbers);
          return message(others.value.length === 0 ? rights : joined([rights, others.value]));
        },
      );
};

/** The bytes of the parts, one after the other. */
export const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const all = new Uint8Array(sizeOf(parts));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

const sizeOf = (parts: ReadonlyArray<Uint8Array>): number => {
  let size = 0;
  for (const { length } of parts) size += length;
  return size;
};

/** The first `most` bytes of the pieces. */
const cut = (pieces: ReadonlyArray<Uint8Array>, most: number): ReadonlyArray<Uint8Array> => {
  if (sizeOf(pieces) <= most) return pieces;
  let left = most;
  return pieces.flatMap((piece) => {
    const part = piece.subarray(0, left);
    left -= part.length;
    return part.length > 0 ? [part] : [];
  });
};

/** Puts messages into memory of the task, and makes a call with them. */
const withMessages = <A, E>(
  task: Task,
  messages: ReadonlyArray<Encoded>,
  use: (address: near.Address, layout: Layout) => Effect.Effect<A, E>,
): Effect.Effect<A, E | MallocFailure> => {
  const layout = layoutOf(
    messages.map(({ address, control, pieces }) => ({
      address: address.length,
      control: control.length,
      pieces: pieces.map(({ length }) => length),
    })),
  );
  return task.withMemory(layout.size, 8, (base) => {
    const block = writeHeaders(layout, base, new Uint8Array(layout.size));
    for (const [i, { address, control, pieces }] of messages.entries()) {
      const place = layout.places[i] as Place;
      block.set(address, place.addressAt);
      block.set(control, place.controlAt);
      let at = place.dataAt;
      for (const piece of pieces) {
        block.set(piece, at);
        at += piece.length;
      }
    }
    return Effect.andThen(task.sysif.write(base, block), use(base, layout));
  });
};

/** sendmsg(2) of at most `most` bytes: see `Socket.sendMessage`. */
export const sendMessage = (
  task: Task,
  fd: near.Fd,
  message: OutgoingMessage,
  most: number,
  flags: number,
): Effect.Effect<number, MallocFailure | BorrowFailure> =>
  Effect.flatMap(encodedMessage(task, message), (encoded) =>
    withMessages(task, [{ ...encoded, pieces: cut(encoded.pieces, most) }], (address, layout) => {
      const call = near.sendmsg(task.sysif, fd, address, flags);
      const send = encoded.about === undefined ? call : call.about(encoded.about);
      return checkedCount("sendmsg", send, (layout.places[0] as Place).dataSize);
    }),
  );

/** sendmmsg(2): see `Socket.sendMessages`. */
export const sendMessages = (
  task: Task,
  fd: near.Fd,
  messages: ReadonlyArray<OutgoingMessage>,
  flags: number,
): Effect.Effect<ReadonlyArray<number>, MallocFailure | BorrowFailure> =>
  Effect.flatMap(
    Effect.forEach(messages.slice(0, MESSAGES_AT_MOST), (message) => encodedMessage(task, message)),
    (encoded) =>
      withMessages(task, encoded, (address, { places }) =>
        Effect.flatMap(
          near.batchThen(
            [near.sendmmsg(task.sysif, fd, address, encoded.length, flags)],
            task.sysif.read(address, encoded.length * Mmsghdr.size),
          ),
          ([[count], headers]) =>
            near.decoded("sendmmsg", `fd ${fd}`, () =>
              places.slice(0, count).map(({ dataSize }, i) => {
                const { length } = Mmsghdr.decode(headers.subarray(i * Mmsghdr.size));
                if (length > dataSize) throw new RangeError(`${length} of ${dataSize} bytes`);
                return length;
              }),
            ),
        ),
      ),
  );

/** The parts of a message that a room has place for. */
const extentOf = ({
  size = 65536,
  fds = 0,
  control = 1024,
  address = true,
}: MessageRoom): Extent => ({
  address: address ? SOCKADDR_STORAGE_SIZE : 0,
  control: cmsgSpace(Int32.size * Math.min(fds, FDS_AT_MOST)) + SENDER_SIZE + control,
  pieces: typeof size === "number" ? [size] : size,
});

/** How many bytes are received: in one piece, or in each of several. */
const sizes: Rule<number | ReadonlyArray<number>> = {
  expected: `${byteSize.expected}, or a list of at most ${PIECES_AT_MOST}`,
  has: (size) =>
    Array.isArray(size)
      ? size.length <= PIECES_AT_MOST && size.every(byteSize.has)
      : byteSize.has(size as number),
};

/** Checks the numbers of rooms: no memory is taken, and no call made, for those that are no sizes. */
export const checkedRooms = <A, E, R>(
  syscall: string,
  rooms: ReadonlyArray<MessageRoom>,
  call: Effect.Effect<A, E, R>,
): Effect.Effect<A, E | near.InvalidArgumentError, R> => {
  for (const { size = 0, fds = 0, control = 0 } of rooms) {
    const wrong =
      argument("size", size, sizes) ??
      argument("mostFds", fds, byteSize) ??
      argument("control", control, byteSize);
    if (wrong !== undefined)
      return Effect.fail(new near.InvalidArgumentError({ syscall, ...wrong }));
  }
  return call;
};

/** recvmsg(2): see `Socket.receiveMessage`. The caller must see to the release of the descriptors. */
export const receiveMessage = (
  task: Task,
  fd: near.Fd,
  room: MessageRoom,
  flags: number,
): Effect.Effect<ReceivedMessage, MallocFailure> => {
  const layout = layoutOf([extentOf(room)]);
  const { dataAt } = layout;
  const place = layout.places[0] as Place;
  return task.withMemory(layout.size, 8, (address) =>
    Effect.gen(function* () {
      const headers = writeHeaders(layout, address, new Uint8Array(layout.headersSize));
      yield* task.sysif.write(address, headers);
      const call = near.recvmsg(task.sysif, fd, address, near.withFlags(flags, MSG.CMSG_CLOEXEC));
      const length = yield* checkedCount("recvmsg", call, mostOf(place, flags));
      const block = yield* task.sysif.read(address, dataAt + Math.min(length, place.dataSize));
      return yield* received(task, fd, room, place, block, 0, length);
    }),
  );
};

/** recvmmsg(2): see `Socket.receiveMessages`. The caller must see to the release of the descriptors. */
export const receiveMessages = (
  task: Task,
  fd: near.Fd,
  rooms: ReadonlyArray<MessageRoom>,
  flags: number,
): Effect.Effect<ReadonlyArray<ReceivedMessage>, MallocFailure> => {
  const layout = layoutOf(rooms.slice(0, MESSAGES_AT_MOST).map(extentOf));
  const { places } = layout;
  return task.withMemory(layout.size, 8, (address) =>
    Effect.gen(function* () {
      const headers = writeHeaders(layout, address, new Uint8Array(layout.headersSize));
      yield* task.sysif.write(address, headers);
      const all = near.withFlags(flags, MSG.CMSG_CLOEXEC | MSG.WAITFORONE);
      const call = near.recvmmsg(task.sysif, fd, address, places.length, all, near.NULL);
      const count = yield* call;
      const last = places[count - 1];
      const block = yield* task.sysif.read(
        address,
        last === undefined ? 0 : last.dataAt + last.dataSize,
      );
      return yield* Effect.forEach(places.slice(0, count), (place, i) =>
        Effect.flatMap(
          near.decoded("recvmmsg", `fd ${fd}`, () => {
            const { length } = Mmsghdr.decode(block.subarray(i * Mmsghdr.size));
            const most = mostOf(place, flags);
            if (length > most) throw new RangeError(`${length} of ${most} bytes`);
            return length;
          }),
          (length) =>
            received(task, fd, rooms[i] as MessageRoom, place, block, i * Mmsghdr.size, length),
        ),
      );
    }),
  );
};

/** The largest result of a call: with MSG.TRUNC it is the size of the whole datagram. */
const mostOf = ({ dataSize }: Place, flags: number): number =>
  flags & MSG.TRUNC ? Number.MAX_SAFE_INTEGER : dataSize;

/** The message that a call has put into a block, whose header is at `headerAt`. */
const received = (
  task: Task,
  fd: near.Fd,
  { fds: mostFds = 0, size, pidfd: wantsPidfd = true }: MessageRoom,
  place: Place,
  block: Uint8Array,
  headerAt: number,
  length: number,
): Effect.Effect<ReceivedMessage, near.SyscallError> =>
  Effect.flatMap(
    near.decoded("recvmsg", `fd ${fd}`, () => {
      const header = Msghdr.decode(block.subarray(headerAt));
      const { addressAt, controlAt } = place;
      const nameLength = Math.min(header.nameLength, place.address);
      const controlLength = Math.min(header.controlLength, place.control);
      const rights: Array<near.Fd> = [];
      const pidfds: Array<near.Fd> = [];
      const rest: Array<ControlMessage> = [];
      for (const message of decodeControl(block.subarray(controlAt, controlAt + controlLength))) {
        const { level, type, data } = message;
        if (level === SOL.SOCKET && type === SCM.RIGHTS) rights.push(...decodeFds(data));
        else if (level === SOL.SOCKET && type === SCM.PIDFD) pidfds.push(...decodeFds(data));
        else rest.push(message);
      }
      const pidfd = wantsPidfd ? pidfds.shift() : undefined;
      return {
        flags: header.flags,
        address: decodeSockaddr(block.subarray(addressAt, addressAt + nameLength)),
        control: controlOf(rest),
        rights,
        pidfd,
        // The kernel may have used the room for other messages for descriptors that were not asked for.
        others: [...rights.splice(mostFds), ...pidfds],
      };
    }),
    ({ flags, address, control, rights, pidfd, others }) => {
      const shared = <A extends FileDescriptor>(
        kind: new (task: Task, fd: near.Fd) => A,
        fd: near.Fd,
      ): A => {
        const handle = FileDescriptor.opened(kind, task, fd);
        handle.isShared = true;
        return handle;
      };
      const bytes = block.slice(place.dataAt, place.dataAt + Math.min(length, place.dataSize));
      const message: ReceivedMessage = {
        bytes,
        pieces: typeof size === "object" ? inPieces(bytes, size) : [bytes],
        fds: rights.map((number) => shared(FileDescriptor, number)),
        pidfd: pidfd === undefined ? undefined : shared(Pidfd, pidfd),
        flags: (flags & ~MSG.CMSG_CLOEXEC) | (others.length > 0 ? MSG.CTRUNC : 0),
        length,
        address,
        control,
      };
      return others.length === 0
        ? Effect.succeed(message)
        : Effect.as(
            Effect.forEach(others, (fd) => shared(FileDescriptor, fd).release(), {
              discard: true,
            }),
            message,
          );
    },
  );

/** Divides bytes into pieces of these sizes; shorter and empty ones behind the end. */
export const inPieces = (
  bytes: Uint8Array,
  sizes: ReadonlyArray<number>,
): ReadonlyArray<Uint8Array> => {
  let at = 0;
  return sizes.map((size) => {
    const piece = bytes.subarray(at, at + size);
    at += size;
    return piece;
  });
};
