import type { Abi, Codec, FixedCodec } from "@rsyscall/abi";
import { Bytes, CString, cStringBytes } from "@rsyscall/abi";
import type * as far from "@rsyscall/far";
import type { Allocation, Allocator, OutOfSpaceError } from "@rsyscall/memory";
import {
  type Address,
  batchThen,
  decoded,
  oneLine,
  type PathLike,
  type Pid,
  pathProblem,
  pathText,
  type Syscall,
  SyscallError,
  type SyscallFailure,
  type SyscallInterface,
  sinkOfEnvironment,
} from "@rsyscall/near";
import { type Cause, Effect, Scope } from "effect";
import { type Decorator, tracing } from "./Decorator.ts";
import { encode } from "./encode.ts";
import type { SizeError } from "./errors.ts";
import type { FdTable } from "./FdTable.ts";
import { encoded } from "./internal/checked.ts";
import type { Patience } from "./Patience.ts";
import { Pointer, type WrittenPointer } from "./Pointer.ts";
import { ProgramSignals } from "./ProgramSignals.ts";
import type { TaskLike } from "./TaskLike.ts";

/** What malloc can fail with. */
export type MallocFailure = SyscallFailure | OutOfSpaceError;

/**
 * A kernel task under our control, through which handles are used: a way to make system calls, what
 * its numbers mean, and memory in its address space.
 */
export class Task implements far.Task, TaskLike {
  /** Below all decorators. */
  readonly #bare: SyscallInterface;
  #sysif: SyscallInterface;
  #decorators: ReadonlyArray<Decorator>;
  readonly #outerPid: Pid;
  /**
   * Its number in its own pid namespace: what getpid(2) says. Others number it otherwise, its parent too if
   * that is in another one: see `ChildProcess.pidIn`.
   */
  readonly pid: Pid;
  /** Changes when the task gets a table of its own: `unshareFiles`. */
  fdTable: FdTable;
  readonly addressSpace: far.AddressSpace;
  /** Where the task itself is. */
  namespaces: far.Namespaces;
  /**
   * Where its children will be, or the program that they execute for the time namespace: once it has
   * unshared or joined one of these two kinds, another one than its own. See pid_namespaces(7),
   * time_namespaces(7).
   */
  childNamespaces: far.Namespaces;
  readonly allocator: Allocator;
  /** Bytes of a page of memory. */
  readonly pageSize: number;
  /** The signals that are blocked. */
  sigmask: ReadonlySet<number>;
  /** What programs get of signals otherwise than the process has it. */
  readonly programSignals: ProgramSignals;
  /** Where calls that wait must not: see `Patience`. */
  patience: Patience | undefined;
  readonly #finalizers: Array<Effect.Effect<void>> = [];

  constructor(
    fields: Pick<
      Task,
      | "sysif"
      | "pid"
      | "fdTable"
      | "addressSpace"
      | "namespaces"
      | "allocator"
      | "pageSize"
      | "sigmask"
    > & {
      readonly programSignals?: ProgramSignals;
      /** Default: those that the environment asks for, by `RSYSCALL_TRACE`. */
      readonly decorators?: ReadonlyArray<Decorator>;
      /** Its number as its parent sees it, for what traces it. Default: its own. */
      readonly outerPid?: Pid;
    },
  ) {
    this.#bare = fields.sysif;
    this.#sysif = fields.sysif;
    this.#decorators = fields.decorators ?? ofEnvironment();
    this.#outerPid = fields.outerPid ?? fields.pid;
    this.pid = fields.pid;
    this.fdTable = fields.fdTable;
    this.fdTable.join(this);
    this.addressSpace = fields.addressSpace;
    this.namespaces = fields.namespaces;
    this.childNamespaces = fields.namespaces;
    this.allocator = fields.allocator;
    this.pageSize = fields.pageSize;
    this.sigmask = fields.sigmask;
    this.programSignals = fields.programSignals ?? new ProgramSignals({});
    if (this.#decorators.length > 0) this.#redecorate();
  }

  /** How system calls are made in the task, and its memory is reached. */
  get sysif(): SyscallInterface {
    return this.#sysif;
  }

  /** Those that the children of the task have too. */
  get inheritedDecorators(): ReadonlyArray<Decorator> {
    return this.#decorators.filter(({ isInherited }) => isInherited);
  }

  /**
   * Makes the task's system calls through a decorator of its interface, until the scope closes: those of all its
   * handles, also of older ones. A child that is made meanwhile keeps a decorator that it inherits.
   */
  decorate(decorator: Decorator): Effect.Effect<void, never, Scope.Scope> {
    // The same one may be there twice.
    const added = { ...decorator };
    return Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => {
          this.#decorators = [...this.#decorators, added];
          this.#redecorate();
        }),
        () =>
          Effect.sync(() => {
            this.#decorators = this.#decorators.filter((other) => other !== added);
            this.#redecorate();
          }),
      ),
    );
  }

  #redecorate(): void {
    this.#sysif = this.#decorators.reduce(
      (inner, { decorate }) => decorate(inner, this.#outerPid),
      this.#bare,
    );
    this.allocator.goThrough(this.#sysif);
  }

  /** Itself: functions that act on a process take a Thread as well, which has a task. See `TaskLike`. */
  get task(): this {
    return this;
  }

  /** Whether its children are in another pid namespace, where they cannot see it: getppid(2) is 0. */
  get isOutsideOfChildren(): boolean {
    return this.childNamespaces.pid !== this.namespaces.pid;
  }

  /** Runs when the task is gone: see `leave`. */
  atLeave(finalizer: Effect.Effect<void>): void {
    this.#finalizers.push(finalizer);
  }

  /**
   * The process has ended or become another program: its descriptors are closed where they are not
   * its own alone, and its memory is left to those who share it. Doing it again does nothing.
   */
  leave(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.allocator.leave();
      const finalizers = this.#finalizers.splice(0);
      return Effect.andThen(
        this.fdTable.leave(this),
        Effect.forEach(finalizers, (finalizer) => finalizer, { discard: true }),
      );
    });
  }

  /** Numbers and layouts of the machine that the task runs on. */
  get abi(): Abi {
    return this.sysif.abi;
  }

  /**
   * Allocates memory in the task. Its content is undefined. EINVAL for what is no size.
   *
   * @param size in bytes, for types whose values differ in size
   */
  malloc<A>(type: FixedCodec<A>): Effect.Effect<Pointer<A>, MallocFailure, Scope.Scope>;
  malloc<A>(type: Codec<A>, size: number): Effect.Effect<Pointer<A>, MallocFailure, Scope.Scope>;
  malloc<A>(
    type: Codec<A>,
    size = type.size ?? 0,
  ): Effect.Effect<Pointer<A>, MallocFailure, Scope.Scope> {
    return this.#allocate(type, size, Effect.succeed);
  }

  /**
   * Puts a value into the task's memory. Text gets a final NUL; other values than text and bytes
   * need their codec. EINVAL for what the type does not have, such as text with a NUL in it.
   */
  ptr(value: string): Effect.Effect<WrittenPointer<string | Uint8Array>, PtrFailure, Scope.Scope>;
  ptr(value: Uint8Array): Effect.Effect<WrittenPointer<Uint8Array>, PtrFailure, Scope.Scope>;
  ptr<A>(value: A, type: Codec<A>): Effect.Effect<WrittenPointer<A>, PtrFailure, Scope.Scope>;
  ptr<A>(value: A, type?: Codec<A>): Effect.Effect<WrittenPointer<A>, PtrFailure, Scope.Scope> {
    const codec = type ?? ((value instanceof Uint8Array ? Bytes : CString) as unknown as Codec<A>);
    return Effect.flatMap(
      encoded("memory write", codec.name, () => encode(codec, value)),
      (bytes) =>
        this.#allocate(codec, bytes.length, (pointer) => pointer.writeEncoded(value, bytes)),
    );
  }

  /** Memory that the scope frees, for a first use. */
  #allocate<A, B, E>(
    type: Codec<A>,
    size: number,
    use: (pointer: Pointer<A>) => Effect.Effect<B, E>,
  ): Effect.Effect<B, E | MallocFailure, Scope.Scope> {
    return Effect.uninterruptible(
      Effect.flatMap(Effect.scope, (scope) => {
        const own = (allocation: Allocation) =>
          Effect.andThen(
            Scope.addFinalizer(scope, allocation.free()),
            use(Pointer.make(this, type, allocation)),
          );
        const taken = this.allocator.take(size, type.alignment);
        return taken !== undefined
          ? own(taken)
          : Effect.flatMap(this.allocator.malloc(size, type.alignment), own);
      }),
    );
  }

  /**
   * Memory for the length of one operation, without the cost of a scope.
   *
   * @param path that the operation is about, for its errors
   */
  withMemory<A, E, R>(
    size: number,
    alignment: number,
    use: (address: Address) => Effect.Effect<A, E, R>,
    path?: string,
  ): Effect.Effect<A, E | MallocFailure, R> {
    return Effect.suspend(() => {
      let allocation: Allocation | undefined;
      const useIt = Effect.suspend(() => {
        allocation = this.allocator.take(size, alignment);
        return allocation !== undefined
          ? use(allocation.address)
          : Effect.flatMap(
              Effect.uninterruptible(
                Effect.map(this.allocator.malloc(size, alignment), (got) => (allocation = got)),
              ),
              ({ address }) => use(address),
            );
      });
      return Effect.onExitPrimitive(useIt, (exit) => {
        if (path !== undefined && exit._tag === "Failure") tellPath(exit.cause, path);
        return allocation?.release();
      });
    });
  }

  /** Bytes in memory for the length of one operation. */
  withBytes<A, E, R>(
    bytes: Uint8Array,
    use: (address: Address) => Effect.Effect<A, E, R>,
    alignment = 1,
  ): Effect.Effect<A, E | MallocFailure, R> {
    return this.withMemory(bytes.length, alignment, (address) =>
      Effect.andThen(this.sysif.write(address, bytes), use(address)),
    );
  }

  /** A value in memory for the length of one operation. EINVAL for what the type does not have. */
  withValue<A, B, E, R>(
    type: Codec<A>,
    value: A,
    use: (address: Address) => Effect.Effect<B, E, R>,
  ): Effect.Effect<B, E | MallocFailure, R> {
    return Effect.flatMap(
      encoded("memory write", type.name, () => encode(type, value)),
      (bytes) => this.withBytes(bytes, use, type.alignment),
    );
  }

  /**
   * Memory that a system call fills in with a value. The read is submitted right behind the call,
   * so both take one round trip. EOVERFLOW if the value has a number in it that no JavaScript number holds
   * exactly.
   */
  withResult<A>(
    type: FixedCodec<A>,
    fill: (address: Address) => Syscall<unknown>,
  ): Effect.Effect<A, MallocFailure> {
    const { size } = type;
    return this.withMemory(size, type.alignment, (address) =>
      Effect.suspend(() => {
        const call = fill(address);
        return Effect.flatMap(batchThen([call], this.sysif.read(address, size)), ([, bytes]) =>
          decoded(call.name, call.subject, () => type.decode(bytes)),
        );
      }),
    );
  }

  /** A path in memory for the length of one operation. */
  withPath<A, E, R>(
    syscall: string,
    path: PathLike,
    use: (address: Address) => Effect.Effect<A, E, R>,
  ): Effect.Effect<A, E | MallocFailure, R> {
    const problem = pathProblem(path);
    if (problem !== undefined)
      return Effect.fail(SyscallError.of(syscall, "EINVAL", undefined, problem));
    const text = pathText(path);
    const bytes = cStringBytes(path instanceof Uint8Array ? path : text);
    // The kernel would stop at a NUL, and act on another file.
    if (bytes === undefined)
      return Effect.suspend(() => {
        const error = SyscallError.of(syscall, "EINVAL", text, NO_NAME);
        error.isAbout(text);
        return Effect.fail(error);
      });
    const terminated = new Uint8Array(bytes.length + 1);
    terminated.set(bytes);
    return this.withMemory(
      terminated.length,
      1,
      (address) => Effect.andThen(this.sysif.write(address, terminated), use(address)),
      text,
    );
  }
}

const ofEnvironment = (): ReadonlyArray<Decorator> => {
  const sink = sinkOfEnvironment();
  return sink === undefined ? [] : [tracing(sink)];
};

oneLine(Task, ({ pid }) => `process ${pid}`);

/** Why text is the name of no file. */
const NO_NAME = "the name of a file has no NUL in it, and no half of a character";

/** The errors of a failure that was about a path. */
const tellPath = (cause: Cause.Cause<unknown>, path: string): void => {
  for (const reason of cause.reasons)
    if (reason._tag === "Fail" && reason.error instanceof SyscallError) reason.error.isAbout(path);
};

/** What ptr can fail with. */
export type PtrFailure = MallocFailure | SizeError;
