import { writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import {
  describeUnless,
  eventually,
  execute,
  it,
  noFleet,
  start,
  tempDirectory,
  textOf,
} from "@rsyscall/harness";
import { HOST, noSshd, type Sshd, startSshd } from "@rsyscall/harness/sshd";
import { Effect } from "effect";
import { assert, expect, test } from "vitest";
import { atTerminal, BIN, env, rsyscall } from "./commandLine.ts";

const fleet = (...args: ReadonlyArray<string>) =>
  Effect.sync(() => rsyscall(["fleet", ...args], { cwd: "/", maxBuffer: 2 ** 24 }));

/** The file of these hosts, which are all one server. */
const hostsFile = (
  { options }: Sshd,
  names: ReadonlyArray<string>,
  ...more: ReadonlyArray<string>
) =>
  Effect.map(tempDirectory, (directory) => {
    const file = `${directory}/hosts`;
    const lines = names.map((name) => `${name} = ${HOST} ${options.join(" ")}`);
    writeFileSync(file, [...lines, ...more, ""].join("\n"));
    return file;
  });

/** The port of a server that accepts connections and says nothing. */
const silentServer = Effect.acquireRelease(
  Effect.promise(async () => {
    const sockets: Array<Socket> = [];
    const server = createServer((socket) => void sockets.push(socket));
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
    return { server, sockets };
  }),
  ({ server, sockets }) =>
    Effect.sync(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    }),
).pipe(Effect.map(({ server }) => (server.address() as { port: number }).port));

test.skipIf(noFleet === undefined)("an older Node is told in a line", () => {
  const { status, stdout, stderr } = rsyscall(["fleet", "--host", "a", "--", "true"]);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toMatch(
    /^rsyscall fleet: needs Node 22\.19\.?0? or newer, as Effect's cluster does; this is Node 2\d\.[\d.]+\n$/,
  );
});

describeUnless(noFleet ?? noSshd, "rsyscall fleet", () => {
  it("runs a command on every host, and shows whose output it is", function* () {
    const server = yield* startSshd();
    const file = yield* hostsFile(server, ["a", "b"], "here = !env");
    const script = "echo out; echo err >&2";
    const { status, stdout, stderr } = yield* fleet("--hosts", file, "--", "sh", "-c", script);
    assert.equal(status, 0, stderr);
    assert.deepEqual(stdout.split("\n").sort(), ["", "a: out", "b: out", "here: out"]);
    const lines = stderr.trimEnd().split("\n");
    assert.match(lines.pop() as string, /^3 hosts in [\d.]+ s: 3 done$/);
    assert.deepEqual(
      lines.map((line) => line.replace(/^\[\d\] /, "").replace(/\([\d.]+ s\)/, "(T)")).sort(),
      ["a: done (T)", "a: err", "b: done (T)", "b: err", "here: done (T)", "here: err"],
    );
    yield* eventually(() => server.processes().length === 0);
  });

  it("has status 1 if a host has failed, and says why", function* () {
    const server = yield* startSshd();
    const port = yield* silentServer;
    const known = "-F none -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/dev/null";
    const file = yield* hostsFile(
      server,
      ["one", "two"],
      `key = ${HOST} ${server.options.join(" ").replace("/user", "/host")}`,
      `unknown = ${HOST} ${known} -p ${server.port}`,
      `silent = ${HOST} ${known} -p ${port}`,
    );
    // The silent server is this process, which must not wait for the command meanwhile.
    const { status, stdout, stderr } = yield* execute(process.execPath, [
      ...[BIN, "fleet", "--hosts", file, "--connect-timeout", "3", "--shell", "--"],
      // Only one of the two can make the directory.
      'test "$(cat)" = "" && echo yes && mkdir "$HOME/once" 2> /dev/null',
    ]);
    assert.equal(status, 1);
    assert.match(String(stdout), /^(one|two): yes\n(one|two): yes\n$/);
    const text = String(stderr);
    assert.match(text, /\n5 hosts in [\d.]+ s: 1 done, 4 failed\n/);
    assert.match(text, /\nfailed: (one|two): exited with status 1\n/);
    assert.match(text, /\nfailed: key: .*Permission denied \(publickey\)/);
    assert.match(text, /\nfailed: unknown: .*Host key verification failed/);
    assert.match(text, /\nfailed: silent: .*no answer within 3s/);
  });

  it("gives JSON, also of what is no text", function* () {
    yield* Effect.void;
    const script = 'printf "\\377"; printf "\\302\\233x\\033[31m" >&2; exit 4';
    const { status, stdout } = yield* fleet(
      ...["--host", "a = !env", "--host", "b = !false", "--json", "--quiet", "--"],
      ...["sh", "-c", script],
    );
    assert.equal(status, 1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none
    assert.notMatch(stdout, /[\0-\x09\x0b-\x1f\x7f-\x9f]/);
    const { hosts, summary, command, rsyscall } = JSON.parse(stdout);
    assert.deepEqual([rsyscall, command], [1, ["sh", "-c", script]]);
    const { duration, ...a } = hosts.a;
    assert.isNumber(duration);
    assert.deepEqual(a, {
      status: 4,
      error: "CommandError",
      detail: "exited with status 4",
      stdoutBase64: "/w==",
      stderr: "\u009bx\u001b[31m",
    });
    assert.include(hosts.b, { error: "LaunchError", problem: "Open", mayHaveRun: false });
    assert.deepInclude(summary, { hosts: 2, done: 0, unfinished: [], notBegun: [] });
  });

  it("shows nothing on which a terminal would act", function* () {
    const script = 'printf "\\033[2Jx\\r\\302\\233y\\342\\200\\256z\\nb: forged\\n"';
    const { stdout } = yield* fleet("--host", "a = !env", "--quiet", "--", "sh", "-c", script);
    assert.equal(stdout, "a: \\x1b[2Jx\\r\\x9by\\u202ez\na: b: forged\n");
  });

  it("begins no other host after as many failures as it is told", function* () {
    const lines = Array.from({ length: 10_000 }, (_, i) => `h${i} = !env`);
    const directory = yield* tempDirectory;
    writeFileSync(`${directory}/hosts`, lines.join("\n"));
    const { status, stdout, stderr } = yield* fleet(
      ...["--hosts", `${directory}/hosts`, "--concurrency", "1", "--stop-after", "2"],
      ...["--", "false"],
    );
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(stderr, /\n10000 hosts in [\d.]+ s: 2 failed, 9998 skipped\n/);
    assert.match(stderr, /\nfailed: h0, h1: exited with status 1\n/);
  });

  it("kills a command that takes too long, and is not filled by one that writes without end", function* () {
    const { status, stdout, stderr } = yield* fleet(
      ...["--host", "a = !env", "--timeout", "1", "--json", "--", "yes"],
    );
    assert.equal(status, 1);
    assert.match(stderr, /\[1\] a: did not end within 1 s, and was killed\n/);
    const { a } = JSON.parse(stdout).hosts;
    assert.equal(a.signal, "SIGKILL");
    assert.equal(a.stdout.length, 1024 * 1024);
    assert.isAbove(a.stdoutCut, 1024 * 1024);
  });

  it("ends at Ctrl-C with what it has begun, and still says how far it is", function* () {
    const server = yield* startSshd();
    const file = yield* hostsFile(server, ["a", "b"], "here = !env", "late = !env");
    const began = yield* tempDirectory;
    const script = `
      if test -z "$SSH_CONNECTION"; then
        until test $(ls ${began} | wc -l) = 2; do sleep 0.02; done
        exit 0
      fi
      sleep 50 &
      touch ${began}/$$
      wait`;
    const command = [process.execPath, BIN, "fleet", "--hosts", file, "--", "sh", "-c", script];
    const { screen, status } = atTerminal(command, [["2/4: a b", "\u0003"]]);
    assert.equal(status, 130);
    assert.match(screen, /4 hosts in [\d.]+ s: 2 done, 2 not finished\nnot finished: a, b\n$/);
    yield* eventually(() => server.processes().length === 0);
  });

  it("has 130 by SIGINT, when commands run", function* () {
    const server = yield* startSshd();
    const file = yield* hostsFile(server, ["a", "b"]);
    const running = () =>
      server.processes().filter((pid) => textOf(`/proc/${pid}/comm`) === "sleep\n").length;
    const child = yield* start(process.execPath, [
      ...[BIN, "fleet", "--hosts", file, "--", "sh", "-c", "sleep 50 & sleep 50; true"],
    ]);
    yield* eventually(() => running() === 4);
    process.kill(child.pid, "SIGINT");
    const { status, stderr } = yield* child.ended;
    assert.equal(status, 130);
    assert.match(String(stderr), /2 hosts in [\d.]+ s: 2 not finished\nnot finished: a, b\n$/);
    assert.equal(running(), 0);
    yield* eventually(() => server.processes().length === 0);
  });

  it("begins no more when nothing reads its output, and says so once", function* () {
    const directory = yield* tempDirectory;
    writeFileSync(
      `${directory}/hosts`,
      Array.from({ length: 200 }, (_, i) => `h${i} = !env`).join("\n"),
    );
    const { stdout, stderr } = yield* execute("sh", [
      ...["-c", '"$0" "$@" | head -n 1', process.execPath, BIN, "fleet"],
      ...["--hosts", `${directory}/hosts`, "--concurrency", "1", "--", "seq", "100000"],
    ]);
    assert.match(String(stdout), /^h0: 1\n$/);
    assert.equal(String(stderr).split("stdout cannot be written").length, 2);
    const [, notBegun = "0"] = /(\d+) not begun/.exec(String(stderr)) ?? [];
    assert.isAbove(Number(notBegun), 150);
  });

  it("is used wrongly with status 2, and says what is right", function* () {
    const directory = yield* tempDirectory;
    writeFileSync(`${directory}/hosts`, "a\nb\na\n-x\n");
    writeFileSync(`${directory}/good`, "a\nb\n");
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
      [["--", "true"], /^rsyscall: give the hosts: --hosts FILE, or --host user@host\n/],
      [
        ["--hosts", `${directory}/hosts`, "--", "true"],
        /^rsyscall: \S+hosts:3: the host a is on line 1 already: .*\n\S+hosts:4: -x begins with "-"/,
      ],
      [
        ["--hosts", `${directory}/good`, "--host", "c", "--", "true"],
        /^rsyscall: --host: \S+good has no host "c"\n/,
      ],
      [["--host", "a", "--concurrency", "0", "--", "true"], /must be a whole number from 1 on/],
      [["--host", "a", "--timeout", "x", "--", "true"], /must be a whole number from 1 on/],
      [["--host", "a"], /Missing required argument: command/],
      [["--host", "a", "uname", "-r"], /A command comes behind --, with its own options/],
      [["--host", "a", "--ssh-option", "-p 1", "--", "true"], /--OPTION='-VALUE'/],
      [["--host", "a", "--ssh-option", "", "--", "true"], /--ssh-option is empty/],
      [["--host", "a -p 1 b", "--", "true"], /^rsyscall: --host "a -p 1 b":1: b behind a is/],
      [["--host", "a", "--", "echo", "\ufffd"], /is not UTF-8: Node cannot pass it on/],
    ];
    for (const [args, message] of cases) {
      const { status, stdout, stderr } = yield* fleet(...args);
      assert.match(stderr, message);
      assert.deepEqual([status, stdout], [2, ""], stderr);
    }
  });

  it("takes the hosts from stdin, and goes on without a reader of its output", function* () {
    yield* Effect.void;
    const { status, stdout } = rsyscall(["fleet", "--hosts", "-", "--", "echo", "x"], {
      input: "a = !env\nb = !env\n",
      env: env(),
    });
    assert.equal(status, 0);
    assert.deepEqual(stdout.split("\n").sort(), ["", "a: x", "b: x"]);
  });
});
