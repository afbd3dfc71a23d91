import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { ACCESS, AF, AT, O, PROT, SIG, SOCK, STATX } from "@rsyscall/abi";
import {
  bindUnix,
  closeRange,
  Directory,
  fstatx,
  MemoryMapping,
  rename,
  Socket,
  setresgid,
  setresuid,
  statx,
} from "@rsyscall/handle";
import { it, launchStub, notRoot, refuse, tempDirectory } from "@rsyscall/harness";
import { call, type SyscallError } from "@rsyscall/near";
import { CommandTask } from "@rsyscall/task-command";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";

const NOREPLACE = 1;

/** Newer calls that have older twins. */
const newer = [
  "faccessat2",
  "statx",
  "renameat2",
  "fchmodat2",
  "close_range",
  "process_vm_readv",
  "process_vm_writev",
] as const;

const errnoOf = <A, E, R>(use: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(use), (error) => (error as SyscallError).errno);

for (const errno of ["ENOSYS", "EPERM"] as const)
  describe(`where newer calls are ${errno}`, () => {
    const refusing = Effect.gen(function* () {
      const { thread } = (yield* launchStub).call;
      for (const name of newer) {
        yield* refuse(thread, name, errno);
        const direct = call(thread.task.sysif, name, 0, 0, 0, 0, 0, 0);
        assert.equal(yield* errnoOf(direct), errno);
      }
      return thread;
    });

    it("programs are found, and what may be executed is told", function* () {
      const thread = yield* refusing;
      const directory = yield* tempDirectory;
      writeFileSync(`${directory}/program`, "", { mode: 0o755 });
      writeFileSync(`${directory}/plain`, "", { mode: 0o644 });
      assert.match(String((yield* thread.which("sh")).executable), /\/sh$/);
      assert.include(
        (yield* Effect.flip(thread.which(`${directory}/plain`))).message,
        "may not be executed",
      );
      const handle = yield* Directory.make(thread.task, directory);
      yield* handle.faccessat("program", ACCESS.X, AT.EACCESS);
      assert.equal(yield* errnoOf(handle.faccessat("plain", ACCESS.X, AT.EACCESS)), "EACCES");
      if (notRoot !== undefined) return;
      // faccessat(2) checks the real ids, not the effective ones, and would give a wrong answer.
      yield* setresuid(thread.task, { real: 65534, effective: 0, saved: 0 });
      assert.equal(yield* errnoOf(handle.faccessat("plain", ACCESS.R, AT.EACCESS)), errno);
      assert.equal(yield* errnoOf(thread.which("sh")), errno);
    });

    it("memory of a mapping is read and written, and inaccessible pages are EFAULT", function* () {
      const thread = yield* refusing;
      const mapping = yield* MemoryMapping.make(thread, 100_000);
      const content = Uint8Array.from({ length: 90_001 }, (_, i) => i % 251);
      yield* mapping.writeBytes(content, 5);
      assert.deepEqual(yield* mapping.readBytes(5, content.length), content);
      yield* mapping.mprotect(PROT.NONE, thread.task.pageSize);
      assert.equal(yield* errnoOf(mapping.readBytes()), "EFAULT");
      assert.equal(yield* errnoOf(mapping.writeBytes(content)), "EFAULT");
      assert.deepEqual(yield* mapping.readBytes(5, 10), content.subarray(5, 15));
    });

    it("ranges of descriptors are closed one by one", function* () {
      const thread = yield* refusing;
      const file = yield* thread.open("/dev/null");
      const [first, second] = [yield* file.dup(300), yield* file.dup(302)];
      yield* closeRange(thread, 300, 301);
      assert.deepEqual([first.isValid, second.isValid], [false, true]);
      assert.deepEqual(
        readdirSync(`/proc/${thread.task.pid}/fd`).filter((fd) => Number(fd) >= 300),
        ["302"],
      );
    });

    it("statx is what stat tells", function* () {
      const thread = yield* refusing;
      const directory = yield* tempDirectory;
      for (const path of ["/dev/null", directory, "/proc/self/exe"]) {
        const reference = yield* statx((yield* LocalThread).task, path, AT.SYMLINK_NOFOLLOW);
        const status = yield* statx(thread.task, path, AT.SYMLINK_NOFOLLOW);
        assert.equal(status.mask, STATX.BASIC_STATS);
        for (const field of ["mode", "uid", "nlink", "blksize", "rdevMajor", "rdevMinor"] as const)
          assert.equal(status[field], reference[field], `${path}: ${field}`);
        if (path === "/proc/self/exe") continue;
        for (const field of ["ino", "size", "blocks", "devMajor", "devMinor"] as const)
          assert.equal(status[field], reference[field], `${path}: ${field}`);
        for (const field of ["atime", "mtime", "ctime"] as const)
          assert.deepEqual(status[field], reference[field]);
      }
      const file = yield* thread.open("/dev/zero", O.RDONLY);
      assert.equal((yield* fstatx(file)).rdevMinor, 5);
      assert.equal(yield* errnoOf(statx(thread.task, `${directory}/missing`)), "ENOENT");
      assert.equal(yield* errnoOf(statx(thread.task, "/", AT.STATX_FORCE_SYNC)), errno);
    });

    it("files are renamed, and nothing is replaced", function* () {
      const thread = yield* refusing;
      const directory = yield* tempDirectory;
      const at = (name: string) => `${directory}/${name}`;
      writeFileSync(at("a"), "");
      yield* rename(thread.task, at("a"), at("b"));
      yield* rename(thread.task, at("b"), at("c"), NOREPLACE);
      assert.deepEqual(readdirSync(directory), ["c"]);
      writeFileSync(at("d"), "");
      assert.equal(yield* errnoOf(rename(thread.task, at("c"), at("d"), NOREPLACE)), "EEXIST");
      mkdirSync(at("directory"));
      yield* rename(thread.task, at("directory"), at("e"));
      assert.equal(yield* errnoOf(rename(thread.task, at("e"), at("f"), NOREPLACE)), errno);
      const socket = yield* Socket.make(thread.task, AF.UNIX, SOCK.STREAM);
      const long = "s".repeat(200);
      yield* bindUnix(socket, at(long));
      assert.deepEqual(readdirSync(directory).sort(), ["c", "d", "e", long]);
    });

    it("modes change by descriptors, and links are not followed", function* () {
      const thread = yield* refusing;
      const directory = yield* tempDirectory;
      writeFileSync(`${directory}/file`, "", { mode: 0o600 });
      yield* thread.run(Command.make("/bin/ln", "-s", "file", `${directory}/link`));
      const handle = yield* Directory.make(thread.task, directory);
      yield* handle.fchmodat("file", 0o640, AT.SYMLINK_NOFOLLOW);
      assert.equal(lstatSync(`${directory}/file`).mode & 0o7777, 0o640);
      const ofLink = handle.fchmodat("link", 0o644, AT.SYMLINK_NOFOLLOW);
      assert.equal(yield* errnoOf(ofLink), "EOPNOTSUPP");
      assert.equal(lstatSync(`${directory}/file`).mode & 0o7777, 0o640);
    });

    it("a child is killed by the number that its parent knows", function* () {
      const { thread } = yield* CommandTask.make(yield* LocalThread, (...words) =>
        Command.make(...words),
      );
      yield* refuse(thread, "pidfd_send_signal", errno);
      const process = yield* thread.spawn(Command.make("/bin/sleep", "1000"));
      yield* process.kill(SIG.TERM);
      assert.equal((yield* process.wait()).signal, SIG.TERM);
    });

    it.skipIf(notRoot)("an EPERM of the kernel stays one, and nothing is half done", function* () {
      const { thread } = (yield* launchStub).call;
      const directory = yield* tempDirectory;
      writeFileSync(`${directory}/file`, "", { mode: 0o666 });
      chmodSync(directory, 0o1777);
      chmodSync(`${directory}/file`, 0o666);
      chownSync(`${directory}/file`, 1, 1);
      const ids = { real: 65534, effective: 65534, saved: 65534 };
      yield* setresgid(thread.task, ids);
      yield* setresuid(thread.task, ids);
      const handle = yield* Directory.make(thread.task, directory);
      // In a sticky directory a user may link this file, and not remove it.
      const renamed = handle.renameat("file", handle, "other", NOREPLACE);
      const error = (yield* Effect.flip(renamed)) as SyscallError;
      assert.deepInclude({ ...error }, { syscall: "renameat2", errno: "EPERM" });
      assert.deepEqual(readdirSync(directory), ["file"]);
      const changed = handle.fchmodat("file", 0o777, AT.SYMLINK_NOFOLLOW);
      assert.equal(((yield* Effect.flip(changed)) as SyscallError).syscall, "fchmodat2");
    });
  });
