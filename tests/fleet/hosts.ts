import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import type { HostAddress, HostOutcome } from "@rsyscall/fleet";
import { notRoot, textOf } from "@rsyscall/harness";
import { HOST, type Sshd, startSshd } from "@rsyscall/harness/sshd";
import { Effect, type Scope } from "effect";
import { assert } from "vitest";

/** The steps of the rollout `upgrade`, which write into the log of their host: see the fixture. */
const STEPS = ["prepare", "install", "migrate"];

/** Hosts, each a real sshd with a home of its own. */
export interface TestHosts {
  readonly names: ReadonlyArray<string>;
  readonly addresses: Readonly<Record<string, HostAddress>>;
  readonly sshd: (name: string) => Sshd;
  /** The lines that steps have written on a host. */
  readonly log: (name: string) => ReadonlyArray<string>;
  /** How often a step was begun, or has ended, on a host. */
  readonly count: (name: string, what: "begin" | "end", step: string) => number;
  /** The names in a directory of its home. */
  readonly files: (name: string, directory: string) => ReadonlyArray<string>;
  /** Forgets what was done on the hosts. */
  readonly forget: () => void;
}

/** Waits until something holds on the hosts. Each look costs some calls, and the hosts have the same processors. */
export const until = (wanted: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (!wanted()) yield* Effect.sleep("20 millis");
  });

/** Starts a server for each host. */
export const startHosts = (number: number): Effect.Effect<TestHosts, never, Scope.Scope> =>
  Effect.gen(function* () {
    const names = Array.from({ length: number }, (_, index) => `host${index}`);
    const started = yield* Effect.forEach(names, () => startSshd(), { concurrency: 8 });
    const servers = new Map(names.map((name, index) => [name, started[index] as Sshd]));
    const sshd = (name: string) => servers.get(name) as Sshd;
    for (const { home } of servers.values()) mkdirSync(`${home}/disk`);
    const log = (name: string) =>
      textOf(`${sshd(name).home}/log`)
        .split("\n")
        .filter((line) => line !== "");
    return {
      names,
      addresses: Object.fromEntries(
        names.map((name) => [name, { ssh: HOST, options: sshd(name).options }]),
      ),
      sshd,
      log,
      count: (name, what, step) =>
        log(name).filter((line) => line.startsWith(`${what} ${step} `)).length,
      files: (name, directory) => readdirSync(`${sshd(name).home}/${directory}`),
      forget: () => {
        for (const { home } of servers.values())
          for (const file of ["log", "migrated", "disk/filled", "disk/data"])
            spawnSync("rm", ["-f", `${home}/${file}`]);
      },
    };
  });

/** Gives a host a disk of 64 KiB, for as long as the scope. */
export const smallDisk = ({ home }: Sshd): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(
      () => void execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "disk", `${home}/disk`]),
    ),
    () => Effect.sync(() => void execFileSync("umount", ["--lazy", `${home}/disk`])),
  );

/** Why a test cannot give a host a disk of its own. */
export const noDisk = notRoot;

/** From now on a host lets no one in. */
export const refuse = ({ directory }: Sshd): void => writeFileSync(`${directory}/authorized`, "");

/** Checks that a host was treated as a rollout promises. */
export const checkPromises = (hosts: TestHosts, { host, status, again }: HostOutcome): void => {
  const lines = hosts.log(host);
  const about = `${host}: ${status}, again: ${again}; its log:\n${lines.join("\n")}\n`;
  const begun = lines.filter((line) => line.startsWith("begin ")).map((line) => line.split(" "));
  // In order: what is begun after another step is never begun before it again.
  const order = begun.map(([, step = ""]) => STEPS.indexOf(step));
  assert.deepEqual(order, [...order].sort(), about);
  for (const step of STEPS) {
    const attempts = begun.filter(([, name]) => name === step);
    // The second and later attempts know it, and the outcome names the step.
    assert.isTrue(
      attempts.slice(1).every(([, , flag]) => flag === "true"),
      about,
    );
    if (attempts.length > 1) assert.include(again, step, about);
    const ended = hosts.count(host, "end", step);
    assert.isAtMost(ended, attempts.length, about);
    if (status === "done") assert.isAtLeast(ended, 1, about);
  }
  // What is in `once`: never two at a time, and never done twice.
  assert.isFalse(lines.includes("overlap migrate"), about);
  if (status === "done") assert.equal(hosts.count(host, "end", "migrate"), 1, about);
};

/** Hosts that a test has spoiled, by what it did. */
interface Spoiled {
  readonly refusing: string;
  readonly full: string;
  readonly cut: string;
}

/** Checks the outcome of `upgrade`: its promises, that spoiled hosts have failed by name, and that all others are done. */
export const checkOutcomes = (
  hosts: TestHosts,
  outcomes: ReadonlyArray<HostOutcome>,
  { refusing, full, cut }: Spoiled,
): void => {
  assert.deepEqual(
    outcomes.map(({ host }) => host),
    hosts.names,
  );
  for (const outcome of outcomes) {
    checkPromises(hosts, outcome);
    const { host, status, step, error, detail } = outcome;
    if (host === refusing) {
      assert.deepEqual([status, step, error], ["failed", "prepare", "SshError"]);
      assert.include(detail, "Permission denied");
    } else if (host === full && noDisk === undefined) {
      assert.deepEqual([status, step, error], ["failed", "fill", "SyscallError"]);
      assert.include(detail, "ENOSPC");
      assert.notInclude(hosts.files(host, "disk"), "filled");
    } else assert.equal(status, "done", `${host}: ${detail}`);
  }
  assert.include(outcomes.find(({ host }) => host === cut)?.again ?? [], "install");
};

/** Checks, when the runners have ended, that nothing of them is left on the hosts. */
export const checkNothingIsLeft = (hosts: TestHosts): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (const name of hosts.names) {
      const sshd = hosts.sshd(name);
      yield* until(() => sshd.processes().length === 0);
      assert.deepEqual(readdirSync(sshd.temp), [], name);
      const known = ["disk", "install.pid", "log", "migrate.pid", "migrated"];
      const files = readdirSync(sshd.home).filter((file) => !known.includes(file));
      assert.deepEqual(files, [], name);
    }
  });
