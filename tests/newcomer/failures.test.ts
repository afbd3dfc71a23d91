import type { Epoller } from "@rsyscall/epoller";
import type {
  BorrowFailure,
  chdir,
  FdFailure,
  FileDescriptor,
  IoFailure,
  MallocFailure,
  mkdir,
  open,
  PtrFailure,
  pipe,
  removeTree,
  Socket,
  setuid,
  spawn,
  Task,
} from "@rsyscall/handle";
import type { InvalidArgumentError, InvalidStateError, SyscallFailure } from "@rsyscall/near";
import type { Environment, Thread } from "@rsyscall/thread";
import type { Effect } from "effect";
import { describe, expectTypeOf, test } from "vitest";

/** What an operation can fail with, as its type says. */
type FailureOf<F extends (...args: never) => Effect.Effect<unknown, unknown, unknown>> =
  ReturnType<F> extends Effect.Effect<unknown, infer E, unknown> ? E : never;

/* tsc checks these: an operation whose type names more than it can fail with, or less, does not compile here. */
describe("an operation's type names what it can fail with, and no more", () => {
  test("of a task", () => {
    expectTypeOf<FailureOf<typeof open>>().toEqualTypeOf<MallocFailure>();
    expectTypeOf<FailureOf<typeof pipe>>().toEqualTypeOf<MallocFailure>();
    expectTypeOf<FailureOf<typeof mkdir>>().toEqualTypeOf<MallocFailure>();
    expectTypeOf<FailureOf<typeof chdir>>().toEqualTypeOf<MallocFailure>();
    expectTypeOf<FailureOf<typeof removeTree>>().toEqualTypeOf<MallocFailure>();
    expectTypeOf<FailureOf<typeof setuid>>().toEqualTypeOf<MallocFailure>();
    expectTypeOf<FailureOf<typeof spawn>>().toEqualTypeOf<MallocFailure | BorrowFailure>();
    expectTypeOf<FailureOf<typeof Socket.make>>().toEqualTypeOf<SyscallFailure>();
    expectTypeOf<FailureOf<Task["malloc"]>>().toEqualTypeOf<MallocFailure>();
    expectTypeOf<FailureOf<Task["ptr"]>>().toEqualTypeOf<PtrFailure>();
  });

  test("of a descriptor", () => {
    expectTypeOf<FailureOf<FileDescriptor["fcntl"]>>().toEqualTypeOf<FdFailure>();
    expectTypeOf<FailureOf<FileDescriptor["dup"]>>().toEqualTypeOf<FdFailure>();
    expectTypeOf<FailureOf<FileDescriptor["readBytes"]>>().toEqualTypeOf<IoFailure>();
    expectTypeOf<FailureOf<FileDescriptor["writeAllBytes"]>>().toEqualTypeOf<IoFailure>();
    expectTypeOf<FailureOf<FileDescriptor["borrow"]>>().toEqualTypeOf<BorrowFailure>();
    expectTypeOf<FailureOf<FileDescriptor["dup3"]>>().toEqualTypeOf<FdFailure | BorrowFailure>();
    expectTypeOf<FailureOf<Socket["listen"]>>().toEqualTypeOf<FdFailure>();
    expectTypeOf<FailureOf<Socket["connect"]>>().toEqualTypeOf<IoFailure>();
  });

  test("of an epoller, an environment and a Thread", () => {
    expectTypeOf<FailureOf<Epoller["waitFor"]>>().toEqualTypeOf<MallocFailure | BorrowFailure>();
    expectTypeOf<FailureOf<typeof Epoller.makeRoot>>().toEqualTypeOf<InvalidStateError>();
    expectTypeOf<FailureOf<Environment["set"]>>().toEqualTypeOf<InvalidArgumentError>();
    expectTypeOf<FailureOf<Thread["exit"]>>().toEqualTypeOf<SyscallFailure>();
    expectTypeOf<FailureOf<Thread["chroot"]>>().toEqualTypeOf<MallocFailure>();
  });
});
