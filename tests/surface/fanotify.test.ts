import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import {
  F,
  FAN,
  FAN_EVENT,
  FAN_EVENT_INFO_TYPE,
  FAN_MARK,
  FAN_RESPONSE,
  FD,
  O,
} from "@rsyscall/abi";
import { AsyncFanotify } from "@rsyscall/epoller";
import { capset, Fanotify, type FanotifyEvent, open } from "@rsyscall/handle";
import { begin, tempDirectory } from "@rsyscall/harness";
import { LocalThread, type Thread } from "@rsyscall/thread";
import { Effect, Exit, Fiber, Scope } from "effect";
import { assert } from "vitest";
import { inEachKind } from "./kinds.ts";

const problem = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error): string =>
    "errno" in error ? String(error.errno) : error._tag,
  );

const message = <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.message);

const { OPEN, MODIFY, CLOSE, CLOSE_WRITE, OPEN_PERM, CREATE, DELETE } = FAN_EVENT;

/** Another process than that of the group, and of the test, which does something to a file by the shell. */
const shell = (script: string, ...args: ReadonlyArray<string>) =>
  Effect.flatMap(LocalThread, (thread) =>
    thread.run(thread.environ.sh.args("-c", `exec 2>&-; ${script}`, "sh", ...args)),
  );

inEachKind((it) => {
  const groupOf = (thread: Thread, flags = 0, eventFlags?: number) =>
    Fanotify.make(thread, flags | FAN.NONBLOCK, eventFlags);

  const file = Effect.gen(function* () {
    const path = `${yield* tempDirectory}/file`;
    writeFileSync(path, "content");
    return path;
  });

  const next = (thread: Thread, group: Fanotify) =>
    Effect.flatMap(
      Effect.flatMap(thread.epoller(), (epoller) => AsyncFanotify.make(epoller, group)),
      (fanotify) => fanotify.readEvents(),
    );

  const masks = (events: ReadonlyArray<FanotifyEvent>) => events.map(({ mask }) => mask);

  it("reports what happens to a file, and the process, with an open descriptor", function* (thread) {
    const path = yield* file;
    const group = yield* groupOf(thread);
    assert.equal(yield* group.fcntl(F.GETFD), FD.CLOEXEC);
    yield* group.mark(path, OPEN | MODIFY | CLOSE);
    assert.equal(yield* problem(group.readEvents()), "EAGAIN");
    assert.isTrue((yield* shell('echo more >>"$1"', path)).clean);
    const events = yield* group.readEvents();
    // The kernel may merge them, or not.
    assert.equal(
      masks(events).reduce((a, b) => a | b),
      OPEN | MODIFY | CLOSE_WRITE,
    );
    for (const { pid, fd, pidfd, infos } of events) {
      assert.isAbove(pid, 1);
      assert.isUndefined(pidfd);
      assert.deepEqual(infos, []);
      assert.equal(yield* fd?.fcntl(F.GETFD) ?? Effect.die("no fd"), FD.CLOEXEC);
      assert.equal(
        Buffer.from(yield* fd?.readBytes() ?? Effect.die("no fd")).toString(),
        "contentmore\n",
      );
    }
  });

  it("closes the descriptors of events with their scope", function* (thread) {
    const path = yield* file;
    const group = yield* groupOf(thread, 0, O.RDWR);
    yield* group.mark(path, OPEN);
    yield* shell('true <"$1"', path);
    const scope = yield* Scope.make();
    const [event] = yield* Scope.provide(group.readEvents(), scope);
    assert.equal((yield* event?.fd?.statusFlags() ?? Effect.die("no fd")) & O.ACCMODE, O.RDWR);
    const number = event?.fd?.near;
    const link = `/proc/${thread.task.pid}/fd/${number}`;
    assert.equal(readFileSync(link, "latin1"), "content");
    yield* Scope.close(scope, Exit.void);
    // A scope does not wait for another process to close what it gives back.
    yield* thread.task.sysif.barrier();
    assert.throws(() => readFileSync(link), /ENOENT/);
  });

  it("has a mask of the directory's files, takes marks away, and flushes them", function* (thread) {
    const directory = yield* tempDirectory;
    writeFileSync(`${directory}/file`, "");
    const group = yield* groupOf(thread);
    const opened = shell('true <"$1"', `${directory}/file`);
    yield* group.mark(directory, OPEN | FAN_EVENT.EVENT_ON_CHILD);
    yield* opened;
    assert.deepEqual(masks(yield* group.readEvents()), [OPEN]);
    yield* group.mark(directory, OPEN | FAN_EVENT.EVENT_ON_CHILD, FAN_MARK.REMOVE);
    yield* opened;
    assert.equal(yield* problem(group.readEvents()), "EAGAIN");
    const handle = yield* thread.open(directory, O.RDONLY | O.DIRECTORY);
    yield* group.mark("file", OPEN, FAN_MARK.ADD, { directory: handle });
    yield* opened;
    assert.deepEqual(masks(yield* group.readEvents()), [OPEN]);
    yield* group.flush();
    yield* group.mark(undefined, OPEN | FAN_EVENT.ONDIR, FAN_MARK.ADD, { directory: handle });
    yield* opened;
    assert.equal(yield* problem(group.readEvents()), "EAGAIN");
    yield* shell('cd "$1" && ls >/dev/null', directory);
    assert.deepEqual(masks(yield* group.readEvents()), [OPEN]);
  });

  it("says which files come and go, with FAN.REPORT_FID and names", function* (thread) {
    const directory = yield* tempDirectory;
    const group = yield* groupOf(thread, FAN.REPORT_DIR_FID | FAN.REPORT_NAME);
    yield* group.mark(directory, CREATE | DELETE);
    yield* shell('cd "$1" && : >new && rm new', directory);
    const events = yield* group.readEvents();
    assert.deepEqual(masks(events), [CREATE, DELETE]);
    for (const { fd, infos } of events) {
      assert.isUndefined(fd);
      assert.deepEqual(
        infos.map(({ type }) => type),
        [FAN_EVENT_INFO_TYPE.DFID_NAME],
      );
      assert.include(Buffer.from(infos[0]?.bytes ?? []).toString("latin1"), "new\0");
    }
  });

  it("gives a pidfd of the process, with FAN.REPORT_PIDFD", function* (thread) {
    const path = yield* file;
    const group = yield* groupOf(thread, FAN.REPORT_PIDFD);
    yield* group.mark(path, OPEN);
    const child = yield* thread.fork();
    yield* open(child, path, O.RDONLY);
    const [event] = yield* group.readEvents();
    yield* event?.pidfd?.sendSignal(9) ?? Effect.die("no pidfd");
    assert.equal((yield* child.process.wait()).signal, 9);
  });

  // --- permission events

  const asking = (thread: Thread, path: string) =>
    Effect.tap(groupOf(thread, FAN.CLASS_CONTENT), (group) => group.mark(path, OPEN_PERM));

  it("lets a process open a file, or not", function* (thread) {
    const path = yield* file;
    const group = yield* asking(thread, path);
    const fanotify = yield* AsyncFanotify.make(yield* thread.epoller(), group);
    for (const isAllowed of [true, false, true]) {
      const opening = yield* begin(shell('true <"$1"', path));
      const [event] = (yield* fanotify.readEvents()) as [FanotifyEvent];
      assert.equal(event.mask, OPEN_PERM);
      yield* isAllowed ? group.allow(event) : group.deny(event);
      assert.equal((yield* Fiber.join(opening)).clean, isAllowed);
      assert.equal(yield* problem(group.allow(event)), "UseAfterFreeError");
    }
  });

  it("denies an event that has no answer when its scope closes", function* (thread) {
    const path = yield* file;
    const group = yield* asking(thread, path);
    const opening = yield* begin(shell('true <"$1"', path));
    yield* Effect.scoped(next(thread, group));
    assert.isFalse((yield* Fiber.join(opening)).clean);
  });

  it("allows all that wait when the group is closed", function* (thread) {
    const path = yield* file;
    const group = yield* asking(thread, path);
    const opening = yield* begin(shell('true <"$1"', path));
    yield* next(thread, group);
    yield* group.close();
    assert.isTrue((yield* Fiber.join(opening)).clean);
  });

  it("loses no event if a wait is interrupted", function* (thread) {
    const path = yield* file;
    const group = yield* asking(thread, path);
    const fanotify = yield* AsyncFanotify.make(yield* thread.epoller(), group);
    yield* Fiber.interrupt(yield* begin(Effect.scoped(fanotify.readEvents())));
    const opening = yield* begin(shell('true <"$1"', path));
    const [event] = (yield* fanotify.readEvents()) as [FanotifyEvent];
    yield* group.allow(event);
    assert.isTrue((yield* Fiber.join(opening)).clean);
  });

  it("refuses answers to events that need none, and answers that are none", function* (thread) {
    const path = yield* file;
    const group = yield* groupOf(thread);
    yield* group.mark(path, OPEN);
    yield* shell('true <"$1"', path);
    const [event] = (yield* group.readEvents()) as [FanotifyEvent];
    assert.match(
      yield* message(group.allow(event)),
      /^write: event is "an event with the mask 0x20", and must be a permission event/,
    );
    const other = yield* asking(thread, path);
    const opening = yield* begin(shell('true <"$1"', path));
    const [asked] = (yield* next(thread, other)) as [FanotifyEvent];
    assert.equal(yield* problem(other.respond(asked, 77)), "EINVAL");
    assert.equal(yield* problem(other.respond(asked, Number.NaN)), "InvalidArgumentError");
    yield* other.respond(asked, FAN_RESPONSE.ALLOW);
    assert.isTrue((yield* Fiber.join(opening)).clean);
  });

  // --- errors

  it("says what cannot be marked", function* (thread) {
    const directory = yield* tempDirectory;
    mkdirSync(`${directory}/inner`);
    const path = yield* file;
    const group = yield* groupOf(thread);
    assert.equal(yield* problem(group.mark(`${directory}/missing`, OPEN)), "ENOENT");
    assert.equal(
      yield* problem(group.mark(path, OPEN, FAN_MARK.ADD | FAN_MARK.ONLYDIR)),
      "ENOTDIR",
    );
    assert.equal(yield* problem(group.mark(path, OPEN, FAN_MARK.REMOVE)), "ENOENT");
    assert.equal(yield* problem(group.mark(path, Number.NaN)), "InvalidArgumentError");
    assert.equal(yield* problem(group.mark(path, 2 ** 32)), "InvalidArgumentError");
    assert.match(
      yield* message(group.mark(path, OPEN_PERM)),
      /^fanotify_mark\(.*\): EINVAL.*permission events need a group of FAN.CLASS_CONTENT/,
    );
    assert.match(yield* message(group.mark(directory, CREATE)), /EINVAL.*one of FAN.REPORT_FID/);
    assert.equal(yield* problem(Fanotify.make(thread, 1 << 30)), "EINVAL");
  });

  it("says which privilege it needs", function* (thread) {
    const child = yield* thread.fork();
    const none = new Set<number>();
    yield* capset(child, { effective: none, permitted: none, inheritable: none });
    assert.match(
      yield* message(Fanotify.make(child)),
      /^fanotify_init: EPERM: .*needs CAP_SYS_ADMIN.*without it, since Linux 5.13.*FAN.REPORT_FID/,
    );
    const path = yield* file;
    const own = yield* groupOf(child, FAN.REPORT_FID);
    yield* own.mark(path, OPEN);
    assert.match(
      yield* message(own.mark(path, OPEN, FAN_MARK.ADD | FAN_MARK.FILESYSTEM)),
      /EPERM: .*CAP_SYS_ADMIN.*not mounts and file systems/,
    );
  });
});
