import { accessSync, chmodSync, chownSync, constants, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  describeUnless,
  execute,
  it,
  missing,
  mock,
  notRoot,
  program,
  seen,
  shell,
  tempDirectory,
} from "@rsyscall/harness";
import { stubPath } from "@rsyscall/native";
import type { StubCall } from "@rsyscall/stub-server";
import { Effect } from "effect";
import { assert } from "vitest";

/** Ids of the user `nobody` and its group, on every Linux. */
const NOBODY = 65534;
const nobody = { uid: NOBODY, gid: NOBODY };

const fixture = fileURLToPath(new URL("../fixtures/nonroot.mjs", import.meta.url));
const built = fileURLToPath(new URL("../../packages/stub-server/dist/index.js", import.meta.url));

/** The rights that every user has on a file and the directories above it. */
const openToAll = (path: string, mode: number): boolean => {
  if ((statSync(path).mode & mode) !== mode) return false;
  return path === "/" || openToAll(join(path, ".."), 0o001);
};

const reason = (): string | undefined => {
  if (notRoot) return `${notRoot} to become another user`;
  if (!existsSync(built)) return "the packages are not built: npm run build";
  if (!openToAll(String(stubPath), 0o005) || !openToAll(built, 0o004))
    return "this checkout is closed to other users";
  if (!openToAll(process.execPath, 0o005)) return "node is closed to other users";
  accessSync(fixture, constants.R_OK);
  return undefined;
};

/** A directory of the user `nobody`. */
const nobodysDirectory = Effect.map(tempDirectory, (directory) => {
  chownSync(directory, NOBODY, NOBODY);
  return directory;
});

const answer = ({ thread, peer, uid }: StubCall) =>
  Effect.as(thread.stdout.writeAllText(`peer ${peer.uid} uid ${uid}`), 7);

describeUnless(reason(), "a server of an ordinary user", () => {
  it("serves, and tells what it may not do", function* () {
    const directory = yield* nobodysDirectory;
    const ended = yield* execute(process.execPath, [fixture, directory], nobody);
    assert.equal(ended.status, 0, ended.stderr.toString());
    const found = JSON.parse(ended.stdout.toString());
    assert.deepEqual([found.uid, found.gid], [NOBODY, NOBODY]);
    for (const link of ["symlink", "copy", "script"]) {
      assert.deepEqual(found[link], {
        status: 7,
        stdout: "arg input 65534 65534 65534 65534",
        stderr: "",
      });
      assert.deepEqual(found[`${link} socket`], { mode: 0o600, uid: NOBODY });
    }

    const error = (name: string, reason: string, subject: string, remedy: RegExp) => {
      assert.equal(found[name]._tag, "StubServerError", name);
      assert.equal(found[name].reason, reason, name);
      assert.isTrue(found[name].message.startsWith(`${subject} `), found[name].message);
      assert.match(found[name].message, remedy);
    };
    error("readonly", "NotWritable", `${directory}/readonly/mail.sock`, /make the directory writ/);
    assert.deepEqual(found["readonly content"], []);
    error("closed", "NotWritable", `${directory}/closed/mail.sock`, /make the directory writable/);
    error("not ours", "NotWritable", "/mail.sock", /make the directory writable/);
    error("stub 644", "StubNotExecutable", `${directory}/stub-644`, /chmod \+x '/);
    assert.equal(found["stub 700"], "made");
    error("stub in closed", "StubNotExecutable", `${directory}/closed/stub`, /directories above/);
    error("taken", "NameTaken", `${directory}/taken`, /choose another directory/);
  });

  it.skipIf(missing("python3"))("does not serve even root", function* () {
    const directory = yield* nobodysDirectory;
    const mail = join(directory, "mail");
    const ended = yield* program("python3", [
      "-ISc",
      `
import os, subprocess, sys
node, fixture, directory, mail = sys.argv[1:]
server = subprocess.Popen([node, fixture, directory, "serve"], user=65534, group=65534,
    extra_groups=[], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
assert server.stdout.readline() == b"ready\\n"
call = subprocess.run([mail, "arg"], capture_output=True, text=True)
print(call.returncode, call.stdout + call.stderr, end="")
own = subprocess.run([mail, "arg"], capture_output=True, text=True, user=65534, group=65534, input="in")
print(own.returncode, own.stdout + own.stderr)
server.stdin.close()
print(server.stdout.read().decode(), server.wait())`,
      ...[process.execPath, fixture, directory, mail],
    ]);
    assert.deepEqual(seen(ended), {
      status: 0,
      stdout: [
        "69 mail: rsyscall: the server refused this call: user 0 may not call this server",
        "7 arg in 65534 65534 65534 65534",
        '"served" 0',
        "",
      ].join("\n"),
      stderr: "",
    });
  });
});

describeUnless(reason(), "a stub of another user", () => {
  /** A server of root, in a directory that other users may enter. */
  const rootsMock = (options?: Parameters<typeof mock>[1]) =>
    Effect.gen(function* () {
      const calls: Array<StubCall> = [];
      const mocked = yield* mock((call) => {
        calls.push(call);
        return answer(call);
      }, options);
      chmodSync(mocked.directory, 0o755);
      return { ...mocked, calls };
    });

  for (const link of ["symlink", "copy", "script"] as const)
    it(`cannot even connect (${link})`, function* () {
      const { path, calls } = yield* rootsMock({ link });
      assert.equal(statSync(`${path}.sock`).mode & 0o777, 0o600);
      assert.deepEqual(seen(yield* execute(path, [], nobody)), {
        status: 69,
        stdout: "",
        stderr: `mail: rsyscall: cannot connect to ${path}.sock: permission denied\n`,
      });
      assert.deepEqual(calls, []);
    });

  it("is refused by the server too, should the socket be opened up", function* () {
    const { path, calls } = yield* rootsMock();
    chmodSync(`${path}.sock`, 0o666);
    assert.deepEqual(seen(yield* execute(path, [], nobody)), {
      status: 69,
      stdout: "",
      stderr: "mail: rsyscall: the server refused this call: user 65534 may not call this server\n",
    });
    assert.deepEqual(calls, []);
    // Others are served as before.
    assert.deepEqual(seen(yield* execute(path)), {
      status: 7,
      stdout: "peer 0 uid 0",
      stderr: "",
    });
  });

  it("is served when the server allows it, and only then", function* () {
    const { path } = yield* rootsMock({ allow: (peer) => peer.uid === NOBODY });
    assert.deepEqual(seen(yield* execute(path, [], nobody)), {
      status: 7,
      stdout: `peer ${NOBODY} uid ${NOBODY}`,
      stderr: "",
    });
    const refused = yield* execute(path, [], { uid: 1234, gid: 1234 });
    assert.equal(refused.status, 69);
    assert.match(refused.stderr.toString(), /user 1234 may not call this server/);
    assert.equal((yield* execute(path)).status, 69);
  });

  it.skipIf(missing("setpriv"))(
    "is judged by its effective user, as a file would be",
    function* () {
      const { path } = yield* rootsMock();
      // A set-user-ID program of ours acts for us; one of another user, run by us, acts for that user.
      const ours = yield* program("setpriv", ["--ruid", "1234", "--euid", "0", path]);
      assert.deepEqual(seen(ours), { status: 7, stdout: "peer 0 uid 1234", stderr: "" });
      const theirs = yield* program("setpriv", ["--ruid", "0", "--euid", "1234", path]);
      assert.equal(theirs.status, 69);
    },
  );

  it("cannot reach a server whose directory is closed to it", function* () {
    const { path } = yield* mock(answer);
    const ended = yield* shell('"$1"', [path], nobody);
    assert.include([126, 127], ended.status);
  });
});
