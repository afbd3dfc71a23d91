import {
  F,
  isCharacterDevice,
  isFifo,
  isRegular,
  isSocket,
  O,
  RLIMIT,
  SEEK,
  type Stat,
} from "@rsyscall/abi";
import {
  type FileDescriptor,
  type HandleFailure,
  PipeReader,
  PipeWriter,
  prlimit,
  Socket,
  type WrongKindError,
} from "@rsyscall/handle";
import { lseek, pread } from "@rsyscall/near";
import type { StubCall } from "@rsyscall/stub-server";
import type { Command, Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Option, Scope } from "effect";
import { heldSignals } from "./heldSignals.ts";
import { InputTap } from "./InputTap.ts";
import type { MockServer } from "./MockServer.ts";
import { OutputTap } from "./OutputTap.ts";
import { Recording } from "./Recording.ts";

/** Bytes of each stream that are recorded, if nothing else is said. */
const LIMIT = 1024 * 1024;

/** One page, which is one place of a pipe. */
const PAGE = 4096;

/** The device number of /dev/null. */
const NULL_DEVICE = 0x103n;

/** Signals that the program has died of and that make a core file: this process makes no second one. */
const noCore = (thread: Thread) =>
  Effect.ignore(prlimit(thread, 0, RLIMIT.CORE, { cur: 0, max: 0 }));

/** Something that is done when the program has ended. */
type Finish = Effect.Effect<void, HandleFailure>;

/**
 * Runs a program as a child of the process that has called, records what it reads and writes, and gives its end to the
 * caller. See docs/mock/spying.md for what the program and the caller can notice.
 */
export const spy = (
  server: MockServer,
  call: StubCall,
  index: number,
  command: Command,
  limit = LIMIT,
): Effect.Effect<number, HandleFailure | WrongKindError> => {
  const { thread } = call;
  const recording = new Recording(limit);
  const running = Effect.gen(function* () {
    const finishes: Array<Finish> = [];
    const spawned: { stdin?: FileDescriptor; stdout?: FileDescriptor; stderr?: FileDescriptor } =
      {};
    const ours: Array<FileDescriptor> = [];

    const [input, output, errors] = yield* Effect.all([
      statusOf(thread.stdin),
      statusOf(thread.stdout),
      statusOf(thread.stderr),
    ]);
    if (input !== undefined) {
      if (isFifo(input.mode) || isSocket(input.mode)) {
        const [reader, writer] = yield* thread.pipe();
        yield* writer.fcntl(F.SETPIPE_SZ, PAGE);
        spawned.stdin = reader;
        ours.push(reader, writer);
        finishes.push(yield* feed(server, thread, writer, input, recording));
      } else if (isRegular(input.mode)) finishes.push(yield* readPart(thread, recording));
    }
    const areOne =
      output !== undefined && errors !== undefined && isSame(output, errors) && !isNull(output);
    for (const fd of [1, 2] as const) {
      const status = fd === 1 ? output : errors;
      if (status === undefined) continue;
      if (fd === 2 && areOne) {
        // One pipe for both, so that what the program writes to them stays in its order.
        if (spawned.stdout !== undefined) spawned.stderr = spawned.stdout;
        continue;
      }
      const { mode } = status;
      if (isFifo(mode) || isSocket(mode) || isNull(status)) {
        const [reader, writer] = yield* thread.pipe();
        spawned[fd === 1 ? "stdout" : "stderr"] = writer;
        ours.push(reader, writer);
        finishes.push(
          yield* copy(server, thread, reader, fd, isNull(status) ? undefined : mode, recording),
        );
      } else if (isRegular(mode)) finishes.push(yield* writtenPart(thread, fd, recording));
    }

    // Before the program runs: a caller may send a signal as soon as it has seen something of the program.
    const signals = yield* heldSignals(thread);
    const child = yield* thread.spawn(command, { ...spawned, sigmask: signals.sigmask });
    yield* Effect.forEach(ours, (fd) => fd.close(), { discard: true });
    yield* signals.to(child);
    const state = yield* child.wait();
    yield* Effect.forEach(finishes, (finish) => finish, { discard: true });
    return state;
  });
  return Effect.gen(function* () {
    const state = yield* Effect.scoped(running);
    const { exitStatus: status, signal } = state;
    server.tell(index, { ...recording.changes, status, signal });
    if (signal === undefined) return status ?? 0;
    yield* noCore(thread);
    yield* thread.raise(signal);
    // A signal that does not end this process, such as one that its namespace shields it from.
    return 128 + signal;
  }).pipe(Effect.onError(() => Effect.sync(() => server.tell(index, recording.changes))));
};

/** What a descriptor is; undefined if it is closed. */
const statusOf = (fd: FileDescriptor): Effect.Effect<Stat | undefined> =>
  Effect.map(Effect.option(fd.fstat()), Option.getOrUndefined);

const isNull = ({ mode, rdev }: Stat): boolean => isCharacterDevice(mode) && rdev === NULL_DEVICE;

const isSame = (a: Stat, b: Stat): boolean => a.dev === b.dev && a.ino === b.ino;

const feed = (
  server: MockServer,
  thread: Thread,
  writer: PipeWriter,
  { mode }: Stat,
  recording: Recording,
): Effect.Effect<Finish, HandleFailure | WrongKindError, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make();
    const { connection } = thread;
    const tap = yield* Effect.gen(function* () {
      const [input, end] = yield* connection.passFrom([thread.stdin, writer]);
      return new InputTap(
        yield* isSocket(mode)
          ? (input as FileDescriptor).narrow(Socket)
          : (input as FileDescriptor).narrow(PipeReader),
        yield* (end as FileDescriptor).narrow(PipeWriter),
        connection.accessEpoller,
      );
    }).pipe(Scope.provide(scope));
    recording.sees(0);
    const fiber = yield* begun(server, scope, tap.feed(recording));
    // Also if the program cannot be started, or the process is killed.
    yield* Effect.addFinalizer(() => Effect.sync(() => tap.end()));
    return Effect.suspend(() => {
      tap.end();
      return Effect.asVoid(Fiber.await(fiber));
    });
  });

const copy = (
  server: MockServer,
  thread: Thread,
  reader: PipeReader,
  fd: 1 | 2,
  /** Undefined: there is nothing to write to. */
  mode: number | undefined,
  recording: Recording,
): Effect.Effect<Finish, HandleFailure | WrongKindError> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make();
    const { connection, stdout, stderr } = thread;
    const tap = yield* Effect.gen(function* () {
      const [from, to] = yield* connection.passFrom([reader, fd === 1 ? stdout : stderr]);
      const sink =
        mode === undefined
          ? undefined
          : yield* isSocket(mode)
              ? (to as FileDescriptor).narrow(Socket)
              : (to as FileDescriptor).narrow(PipeWriter);
      const pipe = yield* (from as FileDescriptor).narrow(PipeReader);
      return new OutputTap(pipe, sink, connection.accessEpoller);
    }).pipe(Scope.provide(scope));
    recording.sees(fd);
    yield* begun(server, scope, tap.copy(fd, recording));
    return tap.drained();
  });

/**
 * Starts a tap, whose descriptors are in a scope of its own, which closes with it. It ends by itself or with the mock,
 * and not with the call: a process that the program leaves behind can go on writing.
 */
const begun = (
  server: MockServer,
  scope: Scope.Closeable,
  tapping: Effect.Effect<void, HandleFailure>,
) =>
  Effect.ignore(tapping).pipe(
    Effect.ensuring(Scope.close(scope, Exit.void)),
    Effect.forkIn(server.scope, { startImmediately: true }),
  );

/** The program reads its file itself. What it has read lies between the offsets before and after. */
const readPart = (thread: Thread, recording: Recording): Effect.Effect<Finish, HandleFailure> =>
  Effect.map(offsetOf(thread.stdin), (begin) => {
    recording.sees(0);
    return Effect.flatMap(offsetOf(thread.stdin), (end) =>
      addPart(thread, thread.stdin, 0, begin, end, recording),
    );
  });

/** The program writes to its file itself. What it has written lies between the offsets before and after. */
const writtenPart = (
  thread: Thread,
  fd: 1 | 2,
  recording: Recording,
): Effect.Effect<Finish, HandleFailure> =>
  Effect.gen(function* () {
    const file = fd === 1 ? thread.stdout : thread.stderr;
    const appends = ((yield* file.statusFlags()) & O.APPEND) !== 0;
    const begin = appends ? (yield* file.fstat()).size : yield* offsetOf(file);
    return Effect.scoped(
      Effect.gen(function* () {
        const end = yield* offsetOf(file);
        if (end > begin) {
          // The descriptor is for writing only, as a rule.
          const readable = yield* thread.open(`/proc/self/fd/${fd}`, O.RDONLY);
          yield* addPart(thread, readable, fd, begin, end, recording);
        }
        recording.sees(fd);
      }),
    ).pipe(Effect.ignore);
  });

const offsetOf = (file: FileDescriptor): Effect.Effect<number, HandleFailure> =>
  Effect.flatMap(file.number(), (fd) =>
    Effect.map(lseek(file.task.sysif, fd, 0, SEEK.CUR), Number),
  );

const addPart = (
  { task }: Thread,
  file: FileDescriptor,
  fd: 0 | 1 | 2,
  begin: number,
  end: number,
  recording: Recording,
): Effect.Effect<void, HandleFailure> =>
  Effect.gen(function* () {
    const number = yield* file.number();
    for (let at = begin; at < end && recording.hasRoom(fd); ) {
      const from = at;
      const size = Math.min(end - from, 64 * 1024);
      const bytes = yield* task.withMemory(size, 1, (address) =>
        Effect.flatMap(pread(task.sysif, number, address, size, from), (count) =>
          task.sysif.read(address, count),
        ),
      );
      if (bytes.length === 0) return;
      recording.add(fd, bytes);
      at += bytes.length;
    }
  });
