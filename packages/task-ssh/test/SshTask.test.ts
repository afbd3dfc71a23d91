import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import {
  childrenOf,
  describeUnless,
  eventually,
  it,
  start,
  textOf,
  worksAsync,
} from "@rsyscall/harness";
import { HOST, noOtherUser, noSshd, type Sshd, startSshd } from "@rsyscall/harness/sshd";
import { getpid } from "@rsyscall/near";
import { SshTask, type SshTaskOptions } from "@rsyscall/task-ssh";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert } from "vitest";

const launch = (destination: string, options: SshTaskOptions) =>
  Effect.flatMap(LocalThread, (local) => SshTask.make(local, destination, options));

/** A ssh_config(5) by which `host` is a server, with more lines. */
const configOf = ({ directory, port }: Sshd, ...lines: ReadonlyArray<string>): string => {
  const path = `${directory}/ssh_config`;
  const host = [
    "Host host inner",
    `HostName ${HOST}`,
    `Port ${port}`,
    `IdentityFile ${directory}/user`,
    `UserKnownHostsFile ${directory}/known`,
  ];
  writeFileSync(path, [...host, ...lines].join("\n"));
  return path;
};

describeUnless(noSshd, "a task on a host", () => {
  it("is a process there", function* () {
    const { options, home, processes } = yield* startSshd();
    const { thread, process } = yield* launch(HOST, { options });
    assert.match(thread.environ.get("SSH_CONNECTION") ?? "", /^127\.0\.0\.1 /);
    assert.equal(thread.environ.get("HOME"), home);
    assert.include(processes(), thread.task.pid);
    assert.notInclude(processes(), process.pid);
    assert.equal(yield* getpid(thread.task.sysif), thread.task.pid);
    yield* worksAsync(thread);
    const state = yield* thread.run(Command.make("/bin/sh", "-c", "exit 7"));
    assert.equal(state.exitStatus, 7);
  });

  it("is had by a name of the user's configuration, with port, key and known hosts", function* () {
    const server = yield* startSshd();
    const { thread } = yield* launch("host", { options: ["-F", configOf(server)] });
    yield* worksAsync(thread);
  });

  it("is had by an address with a port in it", function* () {
    const server = yield* startSshd();
    const { options } = server;
    const at = options.indexOf("-p");
    const others = options.filter((_, i) => i !== at && i !== at + 1);
    const { thread } = yield* launch(`ssh://${HOST}:${server.port}`, { options: others });
    yield* worksAsync(thread);
  });

  it("is had through another host", function* () {
    const server = yield* startSshd();
    const config = configOf(server, "Host inner", "ProxyJump host");
    const { thread } = yield* launch("inner", { options: ["-F", config] });
    assert.equal(server.connections().length, 2);
    yield* worksAsync(thread);
  });

  it("is had through a master that is there", function* () {
    const server = yield* startSshd();
    const control = `${server.directory}/master`;
    const options = ["-o", `ControlPath=${control}`, ...server.options];
    yield* start("ssh", ["-N", "-o", "ControlMaster=yes", ...options, HOST]);
    yield* eventually(() => existsSync(control));
    const [one, other] = [yield* launch(HOST, { options }), yield* launch(HOST, { options })];
    assert.equal(server.connections().length, 1);
    yield* worksAsync(one.thread);
    yield* worksAsync(other.thread);
  });

  it("is had whatever a session of the user begins with there", function* () {
    const server = yield* startSshd();
    // Each of them fails, or ruins the stream.
    const config = configOf(
      server,
      "RemoteCommand echo no",
      "RequestTTY force",
      `ControlPath ${server.directory}/master`,
      "ControlMaster auto",
      "ControlPersist yes",
      `LocalForward 127.0.0.1:${server.port} 127.0.0.1:1`,
      "ExitOnForwardFailure yes",
    );
    const { thread } = yield* launch("host", { options: ["-F", config] });
    yield* worksAsync(thread);
    assert.isFalse(existsSync(`${server.directory}/master`), "nothing is left behind");
  });

  it("asks if it may", function* () {
    const { directory, options } = yield* startSshd();
    execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "secret", "-f", `${directory}/user`]);
    const program = `${directory}/ask`;
    writeFileSync(program, "#!/bin/sh\necho secret\n", { mode: 0o700 });
    const ssh = Command.make("/usr/bin/ssh").env({
      SSH_ASKPASS: program,
      SSH_ASKPASS_REQUIRE: "force",
    });
    const { thread } = yield* launch(HOST, { options, ssh, asks: true });
    yield* worksAsync(thread);
    const error = yield* Effect.flip(launch(HOST, { options, ssh }));
    assert.deepInclude(error, { _tag: "SshError", reason: "Authentication" });
  });

  it("has a hundred more beside it, over one connection", function* () {
    const server = yield* startSshd();
    const { thread, process: client } = yield* launch(HOST, { options: server.options });
    const threads = yield* Effect.forEach(Array.from({ length: 99 }), () => thread.fork());
    const all = [thread, ...threads];
    const pids = yield* Effect.forEach(all, ({ task }) => getpid(task.sysif), {
      concurrency: "unbounded",
    });
    assert.deepEqual(
      pids,
      all.map(({ task }) => task.pid),
    );
    assert.equal(new Set(pids).size, 100);
    for (const pid of pids) assert.include(server.processes(), pid);
    yield* Effect.forEach(all, worksAsync, { concurrency: "unbounded" });
    assert.equal(server.connections().length, 1);
    // One client here, one session there.
    const ours = childrenOf(process.pid);
    assert.deepEqual(
      ours.filter((pid) => textOf(`/proc/${pid}/comm`) === "ssh\n"),
      [client.pid],
    );
    const [connection] = server.connections() as [number];
    assert.equal(childrenOf(connection).length, 1);
  });
});

describeUnless(noOtherUser, "a task on a host of an ordinary user", () => {
  it("is a process of that user", function* () {
    const nobody = 65534;
    const { options, as, processes, connections } = yield* startSshd({ uid: nobody });
    const [program = "", ...args] = as;
    const ssh = Command.make(program, ...args, "/usr/bin/ssh");
    const { thread } = yield* launch(HOST, { options, ssh });
    const status = new TextDecoder().decode(yield* thread.slurp("/proc/self/status"));
    assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
    assert.match(status, /^CapEff:\t0+$/m);
    assert.include(processes(), thread.task.pid);
    assert.equal(connections().length, 1);
    yield* worksAsync(thread);
    const threads = yield* Effect.forEach(Array.from({ length: 3 }), () => thread.fork());
    yield* Effect.forEach(threads, worksAsync, { concurrency: "unbounded" });
  });
});
