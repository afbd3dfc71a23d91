import type { Abi, Codec, FixedCodec } from "@rsyscall/abi";
import { Bytes, CString } from "@rsyscall/abi";
import type * as far from "@rsyscall/far";
import type { Allocation, Allocator } from "@rsyscall/memory";
import {
  type Address,
  batchThen,
  decoded,
  invalidPath,
  oneLine,
  type PathLike,
  type Pid,
  pathArgument,
  pathText,
  type Syscall,
  SyscallError,
  type SyscallInterface,
  sinkOfEnvironment,
} from "@rsyscall/near";
import { type Cause, Effect, Exit, Scope } from "effect";
import { type Decorator, tracing } from "./Decorator.ts";
import type { MallocFailure, PtrFailure } from "./errors.ts";
import type { FdTable } from "./FdTable.ts";
import type { Helper } from "./Helper.ts";
import { encoded, encodedNow } from "./internal/checked.ts";
import type { Patience } from "./Patience.ts";
import { Pointer, WrittenPointer } from "./Pointer.ts";
import { ProgramSignals } from "./ProgramSignals.ts";
import type { TaskLike } from "./TaskLike.ts";

/**
 * A kernel task under the program's control, through which handles are used. It makes system calls, knows what
 * their numbers mean, and allocates memory in its address space.
 *
 * @example
 * ```ts
 * import { Memfd } from "@rsyscall/handle";
 * import { write } from "@rsyscall/near";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const { task } = yield* LocalThread;
 *   console.log(task.pid === process.pid, task.abi.machine); // true x86_64
 *   // Bytes are in its memory as long as the call needs them.
 *   const memfd = yield* Memfd.make(task, "example");
 *   const hello = new TextEncoder().encode("hello");
 *   const count = yield* task.withBytes(hello, (address) =>
 *     write(task.sysif, memfd.near, address, hello.length),
 *   );
 *   console.log(count); // 5
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class Task implements far.Task, TaskLike {
  /** The interface without decorators. */
  readonly #bare: SyscallInterface;
  #sysif: SyscallInterface;
  #decorators: ReadonlyArray<Decorator>;
  readonly #outerPid: Pid;
  /**
   * Its number in its own pid namespace, as getpid(2) returns it. In other pid namespaces, such as that of its
   * parent may be, it has another number: see `ChildProcess.pidIn`.
   */
  readonly pid: Pid;
  /** Changes when the task gets a table of its own: `unshareFiles`. */
  fdTable: FdTable;
  /** The memory in which the task's pointers are valid. */
  readonly addressSpace: far.AddressSpace;
  #namespaces: far.Namespaces | (() => far.Namespaces);
  #childNamespaces: far.Namespaces | undefined;
  /** Allocates the memory of calls in the task's address space. */
  readonly allocator: Allocator;
  /** Bytes of a page of memory. */
  readonly pageSize: number;
  /** The signals that are blocked. */
  sigmask: ReadonlySet<number>;
  /** The signals that programs get in another state than the process has them. */
  readonly programSignals: ProgramSignals;
  /** How calls wait, if they must not block: see `Patience`. */
  patience: Patience | undefined;
  /** How calls wait for the locks of other processes: see `Helper`. */
  helper: Helper | undefined;
  readonly #finalizers: Array<Effect.Effect<void>> = [];

  constructor(
    fields: Pick<
      Task,
      "sysif" | "pid" | "fdTable" | "addressSpace" | "allocator" | "pageSize" | "sigmask"
    > & {
      /** A function makes them at the first use. */
      readonly namespaces: far.Namespaces | (() => far.Namespaces);
      readonly programSignals?: ProgramSignals;
      /** Default: those that the environment asks for, by `RSYSCALL_TRACE`. */
      readonly decorators?: ReadonlyArray<Decorator>;
      /** Its number as its parent sees it, for traces. Default: its own. */
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
    this.#namespaces = fields.namespaces;
    this.allocator = fields.allocator;
    this.pageSize = fields.pageSize;
    this.sigmask = fields.sigmask;
    this.programSignals = fields.programSignals ?? new ProgramSignals({});
    if (this.#decorators.length > 0) this.#redecorate();
  }

  /**
   * The namespaces of the task itself. Those of a process that has come over a transport are unknown until
   * `learnNamespaces` asks for them.
   */
  get namespaces(): far.Namespaces {
    if (typeof this.#namespaces === "function") this.#namespaces = this.#namespaces();
    return this.#namespaces;
  }

  set namespaces(namespaces: far.Namespaces) {
    this.#childNamespaces = this.childNamespaces;
    this.#namespaces = namespaces;
  }

  /**
   * The namespaces of its future children. The pid or time namespace differs from that of the task once the task
   * has unshared or joined one. The time namespace is also that of the program that the task executes. See
   * pid_namespaces(7), time_namespaces(7).
   */
  get childNamespaces(): far.Namespaces {
    return this.#childNamespaces ?? this.namespaces;
  }

  set childNamespaces(namespaces: far.Namespaces) {
    this.#childNamespaces = namespaces;
  }

  /** Makes system calls in the task, and reads and writes its memory. */
  get sysif(): SyscallInterface {
    return this.#sysif;
  }

  /** The decorators that children of the task also have. */
  get inheritedDecorators(): ReadonlyArray<Decorator> {
    return this.#decorators.filter(({ isInherited }) => isInherited);
  }

  /**
   * Makes the task's system calls through a decorator of its interface until the scope closes, including those of
   * handles that exist already. A child that is made meanwhile keeps a decorator that it inherits.
   */
  decorate(decorator: Decorator): Effect.Effect<void, never, Scope.Scope> {
    // The same decorator may be there twice.
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

  /** The task itself. Functions that act on a process take a Task, or a Thread, which has a task: see `TaskLike`. */
  get task(): this {
    return this;
  }

  /** Whether its children are in another pid namespace, where they cannot see it: getppid(2) is 0. */
  get isOutsideOfChildren(): boolean {
    return this.childNamespaces.pid !== this.namespaces.pid;
  }

  /** Adds an effect that runs when the task is gone: see `leave`. */
  atLeave(finalizer: Effect.Effect<void>): void {
    this.#finalizers.push(finalizer);
  }

  /**
   * Called when the process has ended or become another program. Closes its descriptors in a table that other
   * tasks share, and leaves its memory to the tasks that share it. A second call does nothing.
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

  /** Allocates memory in the task for a value of a fixed size. Its content is undefined. */
  malloc<A>(type: FixedCodec<A>): Effect.Effect<Pointer<A>, MallocFailure, Scope.Scope>;
  /**
   * Allocates memory in the task, for types whose values differ in size. Its content is undefined.
   *
   * @param size in bytes
   */
  malloc<A>(type: Codec<A>, size: number): Effect.Effect<Pointer<A>, MallocFailure, Scope.Scope>;
  malloc<A>(
    type: Codec<A>,
    size = type.size ?? 0,
  ): Effect.Effect<Pointer<A>, MallocFailure, Scope.Scope> {
    return Effect.uninterruptible(
      Effect.flatMap(Effect.scope, (scope) =>
        this.#allocate(scope, size, type.alignment, (allocation) =>
          Effect.succeed(Pointer.make(this, type, allocation)),
        ),
      ),
    );
  }

  /**
   * Puts a value into the task's memory. Text gets a final NUL; values other than text and bytes need their
   * codec. InvalidArgumentError for a value that the type cannot have, such as text with a NUL in it.
   */
  ptr(value: string): Effect.Effect<WrittenPointer<string | Uint8Array>, PtrFailure, Scope.Scope>;
  ptr(value: Uint8Array): Effect.Effect<WrittenPointer<Uint8Array>, PtrFailure, Scope.Scope>;
  ptr<A>(value: A, type: Codec<A>): Effect.Effect<WrittenPointer<A>, PtrFailure, Scope.Scope>;
  ptr<A>(value: A, type?: Codec<A>): Effect.Effect<WrittenPointer<A>, PtrFailure, Scope.Scope> {
    const codec = type ?? ((value instanceof Uint8Array ? Bytes : CString) as unknown as Codec<A>);
    return Effect.uninterruptible(
      Effect.flatMap(Effect.scope, (scope): Effect.Effect<WrittenPointer<A>, PtrFailure> => {
        const bytes = encodedNow("ptr", "value", codec, value);
        if (Exit.isFailure(bytes)) return Exit.failCause(bytes.cause);
        const { length } = bytes.value;
        return this.#allocate(scope, length, codec.alignment, (allocation) =>
          Effect.map(this.sysif.write(allocation.address, bytes.value), () => {
            const place = { task: this, type: codec as Codec<unknown>, allocation };
            return new WrittenPointer<A>(place, 0, length, value);
          }),
        );
      }),
    );
  }

  /** Allocates memory that the scope frees, and uses it a first time. Not to be interrupted in between. */
  #allocate<A, E>(
    scope: Scope.Scope,
    size: number,
    alignment: number,
    use: (allocation: Allocation) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E | MallocFailure> {
    const own = (allocation: Allocation) =>
      Effect.flatMap(
        Scope.addFinalizerExit(scope, () => allocation.release() ?? Effect.void),
        () => use(allocation),
      );
    const taken = this.allocator.take(size, alignment);
    return taken !== undefined
      ? own(taken)
      : Effect.flatMap(this.allocator.malloc(size, alignment), own);
  }

  /**
   * Allocates memory for the length of one operation, without the cost of a scope.
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

  /** Puts bytes into memory for the length of one operation. */
  withBytes<A, E, R>(
    bytes: Uint8Array,
    use: (address: Address) => Effect.Effect<A, E, R>,
    alignment = 1,
  ): Effect.Effect<A, E | MallocFailure, R> {
    return this.withMemory(bytes.length, alignment, (address) =>
      Effect.andThen(this.sysif.write(address, bytes), use(address)),
    );
  }

  /**
   * Puts a value into memory for the length of one operation. InvalidArgumentError for a value that the type
   * cannot have.
   */
  withValue<A, B, E, R>(
    type: Codec<A>,
    value: A,
    use: (address: Address) => Effect.Effect<B, E, R>,
  ): Effect.Effect<B, E | MallocFailure, R> {
    return Effect.flatMap(encoded("withValue", "value", type, value), (bytes) =>
      this.withBytes(bytes, use, type.alignment),
    );
  }

  /**
   * Reads a value that a system call writes to memory. The read is submitted right behind the call, so both take
   * one round trip. EOVERFLOW if the value contains a number that no JavaScript number holds exactly.
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

  /**
   * Puts a path into memory for the length of one operation.
   *
   * @param argument the name of the path among the arguments of the call, for errors
   */
  withPath<A, E, R>(
    syscall: string,
    path: PathLike,
    use: (address: Address) => Effect.Effect<A, E, R>,
    argument = "path",
  ): Effect.Effect<A, E | MallocFailure, R> {
    const bytes = pathArgument(path);
    // The kernel would stop at a NUL, and act on another file.
    if (bytes === undefined)
      return Effect.suspend(() => Effect.fail(invalidPath(syscall, path, argument)));
    const text = pathText(path);
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

/** Tells the errors of a failure which path they are about. */
const tellPath = (cause: Cause.Cause<unknown>, path: string): void => {
  for (const reason of cause.reasons)
    if (reason._tag === "Fail" && reason.error instanceof SyscallError) reason.error.isAbout(path);
};
