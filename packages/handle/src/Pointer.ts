import { Bytes, type Codec } from "@rsyscall/abi";
import { NamespaceMismatchError } from "@rsyscall/far";
import type { Allocation } from "@rsyscall/memory";
import {
  Address,
  type ConnectionError,
  decoded,
  type InvalidArgumentError,
  oneLine,
  readInto,
  type SyscallFailure,
} from "@rsyscall/near";
import { Effect, Exit } from "effect";
import { SizeError, UseAfterFreeError } from "./errors.ts";
import { argument, bytes as arrayOfBytes, checked, encodedNow } from "./internal/checked.ts";
import type { Task } from "./Task.ts";

/**
 * Memory in a task that holds, or is to hold, an `A`. System calls get its size.
 *
 * Operations that change what is known about the memory consume the pointer and return a new one. The scope that
 * allocated the memory frees it, even if it was split and merged since.
 *
 * @example
 * ```ts
 * import { Utsname } from "@rsyscall/abi";
 * import { uname } from "@rsyscall/near";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* LocalThread;
 *   const pointer = yield* thread.malloc(Utsname); // freed by the scope
 *   yield* uname(thread.task.sysif, yield* pointer.address());
 *   console.log((yield* pointer.read()).sysname); // Linux
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class Pointer<out A> {
  /** The task in whose memory it points. */
  readonly task: Task;
  /** How a value is laid out in the memory. */
  readonly type: Codec<unknown>;
  /** In bytes. */
  readonly size: number;
  readonly #allocation: Allocation;
  readonly #offset: number;
  #consumed = false;

  protected constructor(from: Pointer<unknown> | Place, offset: number, size: number) {
    this.task = from.task;
    this.type = from.type;
    this.#allocation = from instanceof Pointer ? from.#allocation : from.allocation;
    this.#offset = offset;
    this.size = size;
  }

  /** Makes a pointer to the whole of an allocation, whose content is unknown. */
  static make<A>(task: Task, type: Codec<A>, allocation: Allocation): Pointer<A> {
    return new Pointer<A>({ task, type: type as Codec<unknown>, allocation }, 0, allocation.size);
  }

  /** The address, for use in a system call of the pointer's task and of no other. */
  borrow(task: Task): Effect.Effect<Address, UseAfterFreeError | NamespaceMismatchError> {
    // Writes are ordered among the operations of one task: another task, even in the same address space, might
    // read before they have arrived.
    if (task !== this.task)
      return Effect.fail(new NamespaceMismatchError({ namespace: "task", subject: this.#subject }));
    return this.address();
  }

  /** The address, if the pointer is valid. */
  address(): Effect.Effect<Address, UseAfterFreeError> {
    return Effect.suspend(() =>
      this.isValid
        ? Effect.succeed(this.#at)
        : Effect.fail(new UseAfterFreeError({ subject: this.#subject })),
    );
  }

  get #at(): Address {
    return Address(this.#allocation.address + this.#offset);
  }

  /** Whether the pointer was neither freed nor consumed. */
  get isValid(): boolean {
    return !this.#consumed && !this.#allocation.isFreed;
  }

  /**
   * Reads the whole range and decodes it. EPROTO if it is not a value of the type, and EOVERFLOW if it contains a
   * number that no JavaScript number holds exactly.
   */
  read(): Effect.Effect<A, UseAfterFreeError | SyscallFailure> {
    return Effect.suspend((): Effect.Effect<A, UseAfterFreeError | SyscallFailure> => {
      if (!this.isValid) return Effect.fail(new UseAfterFreeError({ subject: this.#subject }));
      const read = this.task.sysif.read(this.#at, this.size);
      // The bytes are a copy already.
      return this.type === Bytes
        ? (read as Effect.Effect<Uint8Array & A, SyscallFailure>)
        : Effect.flatMap(read, (bytes) =>
            decoded("memory read", this.#subject, () => this.type.decode(bytes) as A),
          );
    });
  }

  /**
   * Reads the beginning of the range into bytes of the caller, as many as these are. A program that reads large ranges
   * again and again spares itself fresh memory, whose page faults take longer than the copy. SizeError for more bytes
   * than the range has. If it fails otherwise, the content of the bytes is undefined.
   */
  readInto(
    bytes: Uint8Array,
  ): Effect.Effect<void, UseAfterFreeError | SizeError | InvalidArgumentError | SyscallFailure> {
    const problem = argument("bytes", bytes, arrayOfBytes);
    return checked(
      "memory read",
      [problem],
      Effect.flatMap(this.address(), (address): Effect.Effect<void, SizeError | SyscallFailure> => {
        const needed = bytes.length;
        return needed <= this.size
          ? readInto(this.task.sysif, address, bytes)
          : Effect.fail(new SizeError({ subject: this.#subject, needed, available: this.size }));
      }),
    );
  }

  /**
   * Writes a value, which may be shorter than the range. Consumes the pointer. InvalidArgumentError for a value
   * that the type cannot have.
   */
  write<B extends A>(
    value: B,
  ): Effect.Effect<
    WrittenPointer<B>,
    UseAfterFreeError | ConnectionError | SizeError | InvalidArgumentError
  > {
    // One step, because a program may hold memory and write to it again and again.
    return Effect.suspend(
      (): Effect.Effect<
        WrittenPointer<B>,
        UseAfterFreeError | ConnectionError | SizeError | InvalidArgumentError
      > => {
        if (!this.isValid) return Effect.fail(new UseAfterFreeError({ subject: this.#subject }));
        const bytes = encodedNow("memory write", "value", this.type as Codec<unknown>, value);
        if (Exit.isFailure(bytes)) return Exit.failCause(bytes.cause);
        const needed = bytes.value.length;
        if (needed > this.size)
          return Effect.fail(
            new SizeError({ subject: this.#subject, needed, available: this.size }),
          );
        return Effect.map(this.task.sysif.write(this.#at, bytes.value), () => {
          this.#consumed = true;
          return new WrittenPointer<B>(this as Pointer<unknown>, this.#offset, this.size, value);
        });
      },
    );
  }

  /** Splits the range after `size` bytes; SizeError if that is outside of it. Consumes the pointer. */
  split(
    size: number,
  ): Effect.Effect<[first: Pointer<A>, rest: Pointer<A>], UseAfterFreeError | SizeError> {
    return Effect.flatMap(this.#consume(size), () =>
      Effect.succeed<[Pointer<A>, Pointer<A>]>([
        new Pointer<A>(this, this.#offset, size),
        new Pointer<A>(this, this.#offset + size, this.size - size),
      ]),
    );
  }

  /** As `split`, after a system call that filled in the first `size` bytes. */
  readableSplit(
    size: number,
  ): Effect.Effect<[used: ReadablePointer<A>, rest: Pointer<A>], UseAfterFreeError | SizeError> {
    return Effect.flatMap(this.#consume(size), () =>
      Effect.succeed<[ReadablePointer<A>, Pointer<A>]>([
        new ReadablePointer<A>(this, this.#offset, size),
        new Pointer<A>(this, this.#offset + size, this.size - size),
      ]),
    );
  }

  /** Merges two parts that `split` has made. Consumes both; they must be neighbours, this one first. */
  merge(right: Pointer<unknown>): Effect.Effect<Pointer<A>, UseAfterFreeError | SizeError> {
    return Effect.suspend(() => {
      if (right.#allocation !== this.#allocation || right.#offset !== this.#offset + this.size)
        return Effect.fail(
          new SizeError({
            subject: `the neighbour of ${this.#subject}`,
            needed: this.#offset + this.size,
            available: right.#offset,
          }),
        );
      return Effect.map(
        Effect.andThen(this.#consume(0), right.#consume(0)),
        () => new Pointer<A>(this, this.#offset, this.size + right.size),
      );
    });
  }

  /** Frees the allocation of this pointer before its scope does. */
  free(): Effect.Effect<void> {
    return Effect.suspend(() => this.#allocation.free());
  }

  #consume(size: number): Effect.Effect<void, UseAfterFreeError | SizeError> {
    return Effect.suspend((): Effect.Effect<void, UseAfterFreeError | SizeError> => {
      if (!this.isValid) return Effect.fail(new UseAfterFreeError({ subject: this.#subject }));
      if (!(Number.isInteger(size) && size >= 0 && size <= this.size))
        return Effect.fail(
          new SizeError({ subject: this.#subject, needed: size, available: this.size }),
        );
      this.#consumed = true;
      return Effect.void;
    });
  }

  get #subject(): string {
    return `pointer to ${this.type.name}`;
  }
}

oneLine(Pointer, ({ task, type, size }) => `${size} bytes for ${type.name} in process ${task.pid}`);

interface Place {
  readonly task: Task;
  readonly type: Codec<unknown>;
  readonly allocation: Allocation;
}

/** Memory with a value that was written to it. */
export class WrittenPointer<out A> extends Pointer<A> {
  /** What was written there. The task may have changed the memory since. */
  readonly value: A;

  constructor(from: Pointer<unknown> | Place, offset: number, size: number, value: A) {
    super(from, offset, size);
    this.value = value;
  }
}

/** Memory that the kernel has filled in. */
export class ReadablePointer<out A> extends Pointer<A> {
  constructor(from: Pointer<unknown>, offset: number, size: number) {
    super(from, offset, size);
  }
}
