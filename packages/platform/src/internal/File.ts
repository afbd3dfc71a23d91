import { AT, EPOLL, POLL, S_IF, S_IFMT, STATX, Statx } from "@rsyscall/abi";
import {
  type FileDescriptor,
  fstatx,
  type HandleFailure,
  pollNow,
  writeAll,
} from "@rsyscall/handle";
import * as near from "@rsyscall/near";
import { fieldsOf, type Thread } from "@rsyscall/thread";
import { Cause, Effect, Exit, FileSystem, Option, PlatformError } from "effect";
import { badArgument, isSize, named } from "./attempt.ts";
import { infoOf } from "./fileInfo.ts";
import { writeWithoutSignal } from "./writeWithoutSignal.ts";

/**
 * Bytes of the process's memory through which a transfer of any length goes. Where a call is cheap, a small window keeps
 * its pages warm: each fresh page costs a fault. Anywhere else a call may be a round trip, so the window is large.
 */
const WARM_WINDOW = 64 * 1024;
const WINDOW = 1024 * 1024;

const readWindow = (thread: Thread): number =>
  fieldsOf(thread).memory === undefined ? WINDOW : WARM_WINDOW;

/** Pieces of a write wait for each other: in another process that costs more than the pages, which are kept. */
const writeWindow = (thread: Thread): number =>
  near.LocalSyscallInterface.of(thread.task.sysif) === undefined ? WINDOW : WARM_WINDOW;

/** Bytes of the first read of a file of unknown length. */
const FIRST_READ = 32 * 1024;

/** The kernel's offsets are signed. */
const LAST_OFFSET = 2n ** 63n - 1n;

/** Where a read puts its bytes: into this array, or behind these parts as a further one. */
type Target = Uint8Array | Array<Uint8Array>;

type Failure = HandleFailure | PlatformError.PlatformError;

/** Lets a wait be interrupted inside a region that must not lose what was read or written. */
type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>;

const asItIs: Restore = (effect) => effect;

/**
 * An open file of a Thread, with a cursor of its own. A file without offsets, such as a pipe or a terminal,
 * is read and written as a stream, without blocking the process.
 */
export class ThreadFile implements FileSystem.File {
  readonly [FileSystem.FileTypeId] = FileSystem.FileTypeId;
  readonly #thread: Thread;
  readonly #fd: FileDescriptor;
  readonly #path: string;
  readonly #appends: boolean;
  #cursor = 0n;
  /** False once the kernel has refused it. */
  #hasOffset = true;

  /** @param fd a descriptor that does not block; see `openWithoutBlocking` */
  constructor(thread: Thread, fd: FileDescriptor, path: string, appends: boolean) {
    this.#thread = thread;
    this.#fd = fd;
    this.#path = path;
    this.#appends = appends;
  }

  #named<A>(method: string, effect: Effect.Effect<A, Failure>) {
    return named(method, this.#path, effect);
  }

  /** Runs `use` with the number and the interface for calls with it, if the file is still open. */
  #use<A>(
    operation: (fd: near.Fd, sysif: near.SyscallInterface) => Effect.Effect<A, HandleFailure>,
  ): Effect.Effect<A, HandleFailure> {
    const { task } = this.#thread;
    return Effect.flatMap(this.#fd.borrow(task), (fd) => operation(fd, task.sysif));
  }

  get stat() {
    return this.#named("stat", Effect.map(fstatx(this.#fd), infoOf));
  }

  get sync() {
    return this.#named(
      "sync",
      this.#use((fd, sysif) => near.fsync(sysif, fd)),
    );
  }

  seek(offset: bigint, from: FileSystem.SeekMode) {
    return Effect.suspend(() => {
      const to = from === "start" ? offset : this.#cursor + offset;
      if (to < 0n || to > LAST_OFFSET)
        return Effect.fail(badArgument("seek", `${to} is no offset of a file`));
      this.#cursor = to;
      return Effect.succeed(to);
    });
  }

  read(buffer: Uint8Array, options?: FileSystem.File.ReadOptions) {
    return this.#read("read", buffer.length, options, buffer);
  }

  readAlloc(size: number, options?: FileSystem.File.ReadOptions) {
    return Effect.suspend(() => {
      const parts: Array<Uint8Array> = [];
      return Effect.map(this.#read("readAlloc", size, options, parts), (count) =>
        count === 0 ? Option.none() : Option.some(joined(parts)),
      );
    });
  }

  truncate(length = 0) {
    const truncated = this.#use((fd, sysif) => near.ftruncate(sysif, fd, length));
    return Effect.suspend(() =>
      isSize(length)
        ? this.#named(
            "truncate",
            Effect.map(truncated, () => {
              if (!this.#appends && this.#cursor > length) this.#cursor = BigInt(length);
            }),
          )
        : Effect.fail(badArgument("truncate", `${length} is no length of a file`)),
    );
  }

  write(buffer: Uint8Array) {
    return this.#named("write", this.#write(buffer));
  }

  writeAll(buffer: Uint8Array) {
    return this.#named("writeAll", this.writeWhole("writeAll", buffer));
  }

  /** `writeAll`, whose errors name another method of the service. */
  writeWhole(method: string, buffer: Uint8Array): Effect.Effect<void, Failure> {
    return Effect.suspend(() =>
      writeAll(
        buffer.length,
        (done) => this.#write(buffer.subarray(done)),
        () => writeZero(method, this.#path),
      ),
    );
  }

  /** Reads the whole file, wherever the cursor is. */
  readAll(): Effect.Effect<Uint8Array, HandleFailure> {
    const { task } = this.#thread;
    return Effect.suspend(() => {
      const parts: Array<Uint8Array> = [];
      let count = 0;
      const position = () => (this.#hasOffset ? count : undefined);
      /** Reads to the end, wherever that is. */
      const readOn: Effect.Effect<Uint8Array, HandleFailure> = Effect.suspend(() =>
        Effect.flatMap(this.#transfer(FIRST_READ, position(), parts), (more) => {
          count += more;
          return more === 0 ? Effect.sync(() => joined(parts)) : readOn;
        }),
      );
      /** Reads `size` bytes. The file may have become shorter; growth is ignored. */
      const readRest = (size: number): Effect.Effect<Uint8Array, HandleFailure> =>
        Effect.suspend(() => {
          const all = uninitialized(size);
          for (const part of parts) all.set(part);
          const fill: Effect.Effect<Uint8Array, HandleFailure> = Effect.suspend(() =>
            Effect.flatMap(
              this.#transfer(size - count, position(), all.subarray(count)),
              (more) => {
                count += more;
                return more === 0 || count === size
                  ? Effect.succeed(count === size ? all : all.slice(0, count))
                  : fill;
              },
            ),
          );
          return fill;
        });
      // Most files are small: one round trip gets their status and their content.
      return Effect.flatMap(
        this.#use((fd, sysif) =>
          task.withMemory(Statx.size + FIRST_READ + 1, 8, (status) => {
            const buffer = near.Address(status + Statx.size);
            const empty = near.Address(buffer + FIRST_READ);
            return Effect.andThen(
              sysif.write(empty, new Uint8Array(1)),
              Effect.flatMap(
                near.batchExitsThen(
                  [
                    near.statx(sysif, fd, empty, AT.EMPTY_PATH, STATX.BASIC_STATS, status),
                    near.pread(sysif, fd, buffer, FIRST_READ, 0),
                  ],
                  sysif.read(status, Statx.size),
                ),
                ([[known, read], bytes]) => {
                  const { mode, size } = Statx.decode(bytes);
                  const isRegular = Exit.isSuccess(known) && (mode & S_IFMT) === S_IF.REG;
                  const total = isRegular && size <= Number.MAX_SAFE_INTEGER ? Number(size) : 0;
                  if (Exit.isFailure(read)) return Effect.as(this.#retriable(read.cause), total);
                  return read.value === 0
                    ? Effect.succeed(total)
                    : Effect.map(sysif.read(buffer, read.value), (bytes) => {
                        parts.push(bytes);
                        count = bytes.length;
                        return total;
                      });
                },
              ),
            );
          }),
        ),
        // The size is a hint: it is 0 for files in /proc.
        (size) =>
          size === 0 || count > size
            ? readOn
            : count === size
              ? Effect.sync(() => joined(parts))
              : readRest(size),
      );
    });
  }

  /** Succeeds if the failure only says that the file must be read as a stream. */
  #retriable(cause: Cause.Cause<near.SyscallFailure>): Effect.Effect<void, near.SyscallFailure> {
    const error = Cause.squash(cause);
    if (error instanceof near.SyscallError) {
      if (error.errno === "ESPIPE") this.#hasOffset = false;
      if (error.errno === "ESPIPE" || error.errno === "EAGAIN") return Effect.void;
    }
    return Effect.failCause(cause);
  }

  #read(
    method: string,
    size: number,
    options: FileSystem.File.ReadOptions | undefined,
    target: Target,
  ): Effect.Effect<number, PlatformError.PlatformError> {
    return Effect.suspend(() => {
      const position = options?.position;
      if (!isSize(size)) return Effect.fail(badArgument(method, `${size} is no number of bytes`));
      if (position === undefined)
        return this.#named(
          method,
          Effect.uninterruptibleMask((restore) =>
            Effect.map(this.#transfer(size, this.#cursor, target, restore), (count) => {
              this.#cursor += BigInt(count);
              return count;
            }),
          ),
        );
      return position >= 0n && position <= LAST_OFFSET
        ? this.#named(method, this.#transfer(size, position, target, asItIs, true))
        : Effect.fail(badArgument(method, `${position} is no offset of a file`));
    });
  }

  /**
   * Reads `size` bytes into the target: fewer at the end of the file, and from a stream as soon as some are
   * there. When it fails in the middle, it gives the number of bytes that came before.
   *
   * @param isFixed the read needs an offset: a stream fails it
   */
  #transfer(
    size: number,
    position: number | bigint | undefined,
    target: Target,
    restore: Restore = asItIs,
    isFixed = false,
  ): Effect.Effect<number, HandleFailure> {
    if (size === 0) return this.#use(() => Effect.succeed(0));
    const room = Math.min(size, readWindow(this.#thread));
    const start = BigInt(position ?? 0);
    const { task } = this.#thread;
    const take = (buffer: near.Address, count: number, at: number) =>
      target instanceof Uint8Array
        ? near.readInto(task.sysif, buffer, target.subarray(at, at + count))
        : Effect.map(task.sysif.read(buffer, count), (bytes) => void target.push(bytes));
    return task.withMemory(room, 1, (buffer) => {
      const readFrom = (at: number): Effect.Effect<number, HandleFailure> => {
        const offset = position === undefined ? undefined : start + BigInt(at);
        const there = offset === undefined ? room : Number(LAST_OFFSET - offset);
        const wanted = Math.min(room, size - at, there);
        if (wanted === 0) return Effect.succeed(at);
        return Effect.flatMap(this.#readInto(buffer, wanted, offset, restore, isFixed), (count) =>
          count === 0
            ? Effect.succeed(at)
            : Effect.flatMap(take(buffer, count, at), () => {
                const end = at + count;
                return end === size || count < wanted || !this.#hasOffset
                  ? Effect.succeed(end)
                  : Effect.andThen(
                      restore(Effect.void),
                      Effect.catch(readFrom(end), () => Effect.succeed(end)),
                    );
              }),
        );
      };
      return readFrom(0);
    });
  }

  /** Waits for input, and reads once into memory of the process. 0 at the end. */
  readInto(address: near.Address, length: number, offset: bigint) {
    return this.#readInto(address, length, offset, asItIs);
  }

  #readInto(
    address: near.Address,
    length: number,
    offset: number | bigint | undefined,
    restore: Restore,
    isFixed = false,
  ): Effect.Effect<number, HandleFailure> {
    const again = Effect.suspend(() =>
      this.#readInto(address, length, this.#hasOffset ? offset : undefined, restore, isFixed),
    );
    if (offset === undefined || (!this.#hasOffset && !isFixed))
      // A read of a FIFO before its first writer would look like the end of the file.
      return Effect.andThen(
        restore(this.#readable),
        this.#use((fd, sysif) => near.read(sysif, fd, address, length)),
      ).pipe(near.catchErrno("EAGAIN", () => again));
    return this.#use((fd, sysif) => near.pread(sysif, fd, address, length, offset)).pipe(
      near.catchErrno("ESPIPE", (error) => {
        if (isFixed) return Effect.fail(error);
        this.#hasOffset = false;
        return again;
      }),
      near.catchErrno("EAGAIN", () => Effect.andThen(restore(this.#wait(EPOLL.IN)), again)),
    );
  }

  /** Waits for room, and writes once from memory of the process. */
  writeFrom(address: near.Address, length: number, offset: bigint) {
    return this.#writeFrom(address, length, offset, asItIs);
  }

  #writeFrom(
    address: near.Address,
    length: number,
    offset: bigint,
    restore: Restore,
  ): Effect.Effect<number, HandleFailure> {
    const again = Effect.suspend(() => this.#writeFrom(address, length, offset, restore));
    return this.#use((fd, sysif) =>
      this.#hasOffset
        ? near.pwrite(sysif, fd, address, length, offset)
        : writeWithoutSignal(this.#thread.task, fd, address, length),
    ).pipe(
      near.catchErrno("ESPIPE", (error) => {
        if (!this.#hasOffset) return Effect.fail(error);
        this.#hasOffset = false;
        return again;
      }),
      near.catchErrno("EAGAIN", () => Effect.andThen(restore(this.#wait(EPOLL.OUT)), again)),
    );
  }

  /** Writes what the kernel takes. When it fails in the middle, it gives the number of bytes before that. */
  #write(buffer: Uint8Array): Effect.Effect<number, HandleFailure> {
    const { task } = this.#thread;
    const { length } = buffer;
    const writeAt = (at: number, restore: Restore): Effect.Effect<number, HandleFailure> => {
      const part = buffer.subarray(at, at + writeWindow(this.#thread));
      return Effect.flatMap(
        task.withBytes(part, (address) =>
          this.#writeFrom(address, part.length, this.#cursor, restore),
        ),
        (count) => {
          if (!this.#appends) this.#cursor += BigInt(count);
          const end = at + count;
          return end === length || count < part.length
            ? Effect.succeed(end)
            : Effect.andThen(
                restore(Effect.void),
                Effect.catch(writeAt(end, restore), () => Effect.succeed(end)),
              );
        },
      );
    };
    return length === 0
      ? this.#use(() => Effect.succeed(0))
      : Effect.uninterruptibleMask((restore) => writeAt(0, restore));
  }

  #wait(event: typeof EPOLL.IN | typeof EPOLL.OUT): Effect.Effect<void, HandleFailure> {
    return Effect.flatMap(this.#thread.epoller(), (epoller) => epoller.waitFor(this.#fd, event));
  }

  get #readable(): Effect.Effect<void, HandleFailure> {
    return Effect.flatMap(pollNow(this.#fd, POLL.IN), (events) =>
      events !== 0 ? Effect.void : this.#wait(EPOLL.IN),
    );
  }
}

/** Uninitialized bytes, all of which will be overwritten. */
const uninitialized = (length: number): Uint8Array =>
  new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);

const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [first = new Uint8Array(0)] = parts;
  if (parts.length <= 1) return first;
  const all = uninitialized(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

const writeZero = (method: string, path: string): PlatformError.PlatformError =>
  PlatformError.systemError({
    _tag: "WriteZero",
    module: "FileSystem",
    method,
    pathOrDescriptor: path,
    description: "the kernel takes none of the bytes",
  });
