import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import {
  childrenOf,
  describeUnless,
  it,
  missing,
  tempDirectory,
  worksAsync,
} from "@rsyscall/harness";
import { HOST, noOtherUser, noSshd, startSshd } from "@rsyscall/harness/sshd";
import { SshTask, type SshTaskOptions } from "@rsyscall/task-ssh";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";

const launch = (destination: string, options: SshTaskOptions) =>
  Effect.flatMap(LocalThread, (local) => SshTask.make(local, destination, options));

/** How a launch fails. No process of it is left, although the scope is still open. */
const failure = (destination: string, options: SshTaskOptions) =>
  Effect.gen(function* () {
    const before = childrenOf(process.pid);
    const error = yield* Effect.flip(launch(destination, options));
    assert.deepEqual(childrenOf(process.pid), before);
    return error;
  });

const sshFailure = (destination: string, options: SshTaskOptions) =>
  Effect.map(failure(destination, options), (error) => {
    if (error._tag !== "SshError") throw error;
    assert.equal(error.destination, destination);
    assert.include(error.message, error.stderr.trim().replaceAll("\r\n", "\n"));
    return error;
  });

const launchFailure = (destination: string, options: SshTaskOptions) =>
  Effect.map(failure(destination, options), (error) => {
    if (error._tag !== "LaunchError") throw error;
    return error;
  });

/** Something on the loopback interface that listens, and its port. */
const listener = (onConnection: (socket: Socket) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ port: number; close: Effect.Effect<void> }>((resume) => {
        const sockets = new Set<Socket>();
        const server = createServer((socket) => {
          sockets.add(socket);
          socket.on("error", () => {});
          onConnection(socket);
        });
        const close = Effect.callback<void>((resume) => {
          for (const socket of sockets) socket.destroy();
          server.close(() => resume(Effect.void));
        });
        server.listen(0, HOST, () =>
          resume(Effect.succeed({ port: (server.address() as AddressInfo).port, close })),
        );
      }),
      ({ close }) => close,
    ),
    ({ port }) => ["-F", "none", "-p", `${port}`],
  );

describeUnless(noSshd, "ssh that does not get to a host", () => {
  it("does not know the host's key", function* () {
    const { options } = yield* startSshd();
    const known = ["-o", "UserKnownHostsFile=/dev/null"];
    const error = yield* sshFailure(HOST, { options: [...known, ...options] });
    assert.equal(error.reason, "HostKey");
    assert.match(error.stderr, /Host key verification failed/);
  });

  it("knows another key of the host", function* () {
    const { directory, options, port } = yield* startSshd();
    const other = execFileSync("cat", [`${directory}/user.pub`], { encoding: "utf8" });
    writeFileSync(`${directory}/known`, `[${HOST}]:${port} ${other}`);
    const error = yield* sshFailure(HOST, { options });
    assert.equal(error.reason, "HostKey");
    assert.match(error.stderr, /REMOTE HOST IDENTIFICATION HAS CHANGED/);
  });

  it("has no key that the host takes", function* () {
    const { directory, options } = yield* startSshd();
    writeFileSync(`${directory}/authorized`, "");
    const error = yield* sshFailure(HOST, { options });
    assert.equal(error.reason, "Authentication");
    assert.match(error.stderr, /Permission denied \(publickey\)/);
  });

  it("has too many keys that the host does not take", function* () {
    const { directory, options } = yield* startSshd({ config: ["MaxAuthTries 1"] });
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${directory}/other`]);
    const error = yield* sshFailure(HOST, { options: ["-i", `${directory}/other`, ...options] });
    assert.equal(error.reason, "Authentication");
    assert.match(error.stderr, /Too many authentication failures/);
  });

  it("finds no address of the name", function* () {
    const error = yield* sshFailure("no-such-host.invalid", { options: ["-F", "none"] });
    assert.equal(error.reason, "UnknownHost");
    assert.match(error.stderr, /Could not resolve hostname no-such-host\.invalid/);
  });

  it("finds nobody at the port", function* () {
    const options = yield* Effect.scoped(listener(() => {}));
    const error = yield* sshFailure(HOST, { options });
    assert.equal(error.reason, "Unreachable");
    assert.match(error.stderr, /Connection refused/);
  });

  const others: ReadonlyArray<[what: string, onConnection: (socket: Socket) => void]> = [
    ["who hangs up", (socket) => socket.end()],
    ["who is a web server", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["who speaks another version", (socket) => socket.end("SSH-1.0-other\r\n")],
    ["who sends no text", (socket) => socket.end(Buffer.alloc(1000))],
    ["who does not end", (socket) => socket.write("line\r\n".repeat(100_000))],
  ];
  for (const [what, onConnection] of others)
    it(`finds somebody ${what}`, function* () {
      const options = yield* listener(onConnection);
      const error = yield* sshFailure(HOST, { options });
      assert.equal(error.reason, "Unreachable", error.stderr);
    });

  it("finds somebody who never answers, for as long as ssh waits", function* () {
    const options = yield* listener(() => {});
    const error = yield* sshFailure(HOST, { options: ["-o", "ConnectTimeout=1", ...options] });
    assert.equal(error.reason, "Unreachable");
    assert.match(error.stderr, /timed out/);
  });

  it("finds somebody who never answers, for as long as we wait", function* () {
    const options = yield* listener(() => {});
    const error = yield* launchFailure(HOST, { options, timeout: "300 millis" });
    assert.match(error.problem, /^no answer within 300ms: .*needs more time/);
    assert.equal(error.kind, "TimedOut");
  });

  it("does not get past a host on the way", function* () {
    const { options, port } = yield* startSshd();
    const jump = ["-J", `no-such-host.invalid:${port}`];
    const error = yield* sshFailure(HOST, { options: [...jump, ...options] });
    assert.equal(error.reason, "UnknownHost");
  });

  it("does not understand its options", function* () {
    const options = ["-F", "none", "-o", "NoSuchOption=1"];
    const error = yield* launchFailure(HOST, { options });
    assert.match(error.stderr, /Bad configuration option: nosuchoption/);
  });
});

describe("ssh that is not there", () => {
  it("is not found in PATH", function* () {
    const local = yield* LocalThread;
    const child = yield* local.fork();
    yield* child.environ.set("PATH", yield* tempDirectory);
    const error = yield* Effect.flip(SshTask.make(child, HOST));
    assert.deepInclude(error, { _tag: "ExecutableNotFoundError" });
    assert.match(error.message, /ssh/);
  });

  it("cannot be executed", function* () {
    const error = yield* failure(HOST, { ssh: Command.make("/no/such/ssh") });
    assert.match(error.message, /ENOENT.*\/no\/such\/ssh|\/no\/such\/ssh.*ENOENT/);
  });
});

describeUnless(noSshd, "a host that says something before", () => {
  const noises: ReadonlyArray<[what: string, config: ReadonlyArray<string>]> = [
    ["a line", ['ForceCommand echo welcome; eval "$SSH_ORIGINAL_COMMAND"']],
    ["half a line", ['ForceCommand printf welcome; eval "$SSH_ORIGINAL_COMMAND"']],
    ["many lines", ['ForceCommand seq 10000; eval "$SSH_ORIGINAL_COMMAND"']],
    ["no text", ['ForceCommand head -c 1000 /dev/zero; eval "$SSH_ORIGINAL_COMMAND"']],
    ["much to stderr", ['ForceCommand seq 100000 >&2; eval "$SSH_ORIGINAL_COMMAND"']],
    ["a banner", ["Banner /etc/services"]],
  ];
  for (const [what, config] of noises)
    it(`is reached behind ${what}`, function* () {
      const { options } = yield* startSshd({ config });
      const { thread } = yield* launch(HOST, { options });
      yield* worksAsync(thread);
    });

  it("is reached behind what the login shell executes", function* () {
    const { options, home } = yield* startSshd();
    writeFileSync(`${home}/.bashrc`, "echo welcome; echo 'a warning' >&2; cd /; set -u; umask 0\n");
    const { thread } = yield* launch(HOST, { options });
    yield* worksAsync(thread);
  });
});

describeUnless(noSshd, "a host that does something else", () => {
  it("says something else, and ends", function* () {
    const config = ["ForceCommand echo 'Only for copies.'; echo 'no shell here' >&2; exit 3"];
    const { options } = yield* startSshd({ config });
    const error = yield* launchFailure(HOST, { options });
    assert.match(error.problem, /exited with status 3|it said "Only for copies/);
    assert.equal(error.stderr, "no shell here\n");
  });

  it("ends without a word", function* () {
    const { options } = yield* startSshd({ config: ["ForceCommand exit 0"] });
    const error = yield* launchFailure(HOST, { options });
    assert.match(error.problem, /it exited with status 0$/);
  });

  it("fails as ssh itself would", function* () {
    const { options } = yield* startSshd({
      config: ["ForceCommand echo 'not today' >&2; exit 255"],
    });
    const error = yield* launchFailure(HOST, { options });
    assert.match(error.problem, /it exited with status 255$/);
    assert.equal(error.stderr, "not today\n");
  });

  it("says something else, without an end", function* () {
    const { options } = yield* startSshd({ config: ["ForceCommand yes rubbish"] });
    const error = yield* launchFailure(HOST, { options });
    assert.match(error.problem, /no shell has begun behind it; it said "rubbish\\nrubbish/);
  });

  it("says what it takes for a shell's answer, and then something else", function* () {
    const rubbish = "echo rsyscall-ready x86_64; echo 'I am none' >&2; yes rubbish";
    const { options } = yield* startSshd({ config: [`ForceCommand ${rubbish}`] });
    const error = yield* launchFailure(HOST, { options });
    assert.equal(error.stderr, "I am none\n");
  });

  it("is another machine", function* () {
    const { options } = yield* startSshd({ config: ["ForceCommand echo rsyscall-ready vax; cat"] });
    const error = yield* launchFailure(HOST, { options });
    assert.match(error.problem, /a machine vax/);
  });

  it("never answers", function* () {
    const config = ["ForceCommand echo 'please wait' >&2; exec cat > /dev/null"];
    const { options } = yield* startSshd({ config });
    const error = yield* launchFailure(HOST, { options, timeout: "3 seconds" });
    assert.match(error.problem, /^no answer within 3s/);
    assert.equal(error.stderr, "please wait\n");
  });
});

describeUnless(noOtherUser, "the login shell of a host", () => {
  const names = ["sh", "bash", "dash", "zsh", "ksh", "mksh", "tcsh", "fish"];
  for (const name of names)
    it.skipIf(missing(name))(`may be ${name}`, function* () {
      const shell = execFileSync("/bin/sh", ["-c", 'command -v "$0"', name], { encoding: "utf8" });
      const { options } = yield* startSshd({ shell: shell.trim() });
      const { thread } = yield* launch(HOST, { options });
      yield* worksAsync(thread);
    });

  it("is told if it lets nobody in", function* () {
    const { options } = yield* startSshd({ shell: "/usr/sbin/nologin" });
    const error = yield* launchFailure(HOST, { options });
    assert.match(error.problem, /exited with status 1|This account is currently not available/);
  });

  it("is told if it is no shell", function* () {
    const { options } = yield* startSshd({ shell: "/bin/cat" });
    const error = yield* launchFailure(HOST, { options });
    assert.match(error.problem, /it exited with status 1$/);
    assert.match(error.stderr, /cat: invalid option -- 'c'/);
  });

  it.skipIf(missing("rbash"))("is told if it may execute nothing", function* () {
    const { options } = yield* startSshd({ shell: "/bin/rbash" });
    const error = yield* launchFailure(HOST, { options });
    assert.match(error.stderr, /\/bin\/sh: restricted/);
  });

  it("keeps ssh out if it is not there", function* () {
    const { options } = yield* startSshd({ shell: "/no/such/shell" });
    const error = yield* sshFailure(HOST, { options });
    assert.equal(error.reason, "Authentication");
  });
});

describe("an ssh whose connection was cut", () => {
  it("has reached the host, whatever the kernel says of the end", function* () {
    const text = "Read from remote host 127.0.0.1: Connection reset by peer";
    const ssh = Command.make("/bin/sh", "-c", `echo '${text}' >&2; exit 255`);
    assert.include((yield* launchFailure("host", { ssh })).stderr, text);
  });

  it("has reached the host, if a shell had begun there", function* () {
    const text = "Connection reset by 127.0.0.1 port 22";
    // The shell says that it has begun, and no more.
    const script = `for last; do :; done; sh -c "$last" < /dev/null | head -n 1; echo '${text}' >&2; exit 255`;
    const ssh = Command.make("/bin/sh", "-c", script, "ssh");
    const error = yield* launchFailure("host", { ssh });
    assert.deepEqual([error.kind, error.stderr.trim()], ["Cut", text]);
    const before = Command.make("/bin/sh", "-c", `echo '${text}' >&2; exit 255`);
    assert.equal((yield* sshFailure("host", { ssh: before })).reason, "Unreachable");
  });
});
