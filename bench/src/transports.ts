import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { copyFile, Memfd } from "@rsyscall/handle";
import { noSshd, type Sshd, startSshd } from "@rsyscall/harness/sshd";
import { taskPath } from "@rsyscall/native";
import { batch, getpid } from "@rsyscall/near";
import { CommandTask } from "@rsyscall/task-command";
import { SshTask } from "@rsyscall/task-ssh";
import { StdinTask } from "@rsyscall/task-stdin";
import { Command, type Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { interleaved, timed } from "./interleaved.ts";
import type { Row } from "./Row.ts";
import { slowLink } from "./slowLink.ts";

/** Bytes of a file that is copied. */
const BULK_SIZE = 64 * 1024 * 1024;

/** Milliseconds of delay each way. */
const DELAY = 10;

/** Milliseconds of delay each way of a link to the other side of the world: a round trip takes 100 ms. */
const FAR_DELAY = 50;

/** Bytes of a file that is copied over such a link: more would take the most of a run. */
const FAR_SIZE = 16 * 1024 * 1024;

/** The time to a Thread, and to its end, beside that of the command alone, to its end. */
const connecting = (
  local: Thread,
  name: string,
  count: number,
  task: Effect.Effect<unknown, unknown, Scope.Scope>,
  bareName: string,
  bare: Command,
) =>
  Effect.gen(function* () {
    const begun: Array<number> = [];
    const begin = Effect.map(timed(1, task), (times) => void begun.push(...times));
    const all = yield* interleaved({
      whole: timed(count, Effect.scoped(begin)),
      bare: timed(count, local.run(bare)),
    });
    const floor = { name: bareName, samples: all.bare };
    const rows: Array<Row> = [
      {
        name,
        unit: "ns",
        // The first ones warmed up.
        samples: begun.slice(-all.whole.length),
        floor,
        aims: [{ ofFloor: 1.5 }],
      },
      { name: `${name}, and its end`, unit: "ns", samples: all.whole, floor },
    ];
    return rows;
  });

/** A program that this process talks to over its stdin and stdout. */
class Peer {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
  }

  static start(command: string, args: ReadonlyArray<string>) {
    return Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
        return new Peer(child);
      }),
      (peer) => Effect.sync(() => void peer.#child.kill("SIGKILL")),
    );
  }

  /** Writes, and reads this many bytes. */
  exchange(bytes: Uint8Array, answer: number): Effect.Effect<void> {
    return Effect.callback((resume) => {
      let left = answer;
      const { stdin, stdout } = this.#child;
      const onData = (piece: Buffer) => {
        left -= piece.length;
        if (left > 0) return;
        stdout.off("data", onData);
        stdout.pause();
        resume(Effect.void);
      };
      stdout.on("data", onData);
      stdout.resume();
      stdin.write(bytes);
    });
  }
}

/** Passes stdin and stdout of a command through processes of its own, as docker-exec(1) does. */
const relayed = (program: string, ...args: ReadonlyArray<string>): [string, ...Array<string>] => [
  "/bin/sh",
  "-c",
  'cat | "$@" | cat',
  "relay",
  program,
  ...args,
];

/** A process behind relays, beside the command itself. */
const throughRelays = (local: Thread, scale: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { thread } = yield* CommandTask.make(local, (program, ...args) =>
        Command.make(...relayed(program, ...args)),
      );
      const [command, ...args] = relayed("cat");
      const cat = yield* Peer.start(command, args);
      const { sysif } = thread.task;
      const calls = Array.from({ length: 64 }, () => getpid(sysif));
      const count = 40 * scale;
      const all = yield* interleaved({
        one: timed(count, getpid(sysif)),
        many: timed(count / 4, batch(calls), calls.length),
        echo: timed(count, cat.exchange(Uint8Array.of(1), 1)),
      });
      const floor = { name: "a byte to cat through relays, and back", samples: all.echo };
      const rows: Array<Row> = [
        {
          name: "a system call through relays, as of docker exec",
          unit: "ns",
          samples: all.one,
          floor,
        },
        { name: "of 64 calls at once through relays, each", unit: "ns", samples: all.many, floor },
      ];
      return rows;
    }),
  );

/**
 * A shell script that writes so many bytes of stdin into a file in memory, as a copy does, and then says so, again and
 * again.
 */
const sinking = (size: number): string =>
  [
    "file=$(mktemp -p /dev/shm)",
    'exec 3> "$file"',
    'rm "$file"',
    `while dd of=/dev/fd/3 bs=64k iflag=fullblock count=${size / 65536} status=none && echo; do :; done`,
  ].join(" && ");

/** Bytes to a host and back over a link of 100 ms, beside the command alone. The link is slow: once each. */
const copiesFarAway = (local: Thread, { port, options }: Sshd) =>
  Effect.scoped(
    Effect.gen(function* () {
      const host = "127.0.0.1";
      const farPort = yield* slowLink(port, FAR_DELAY);
      const far = ["-p", `${farPort}`, "-o", `HostKeyAlias=[${host}]:${port}`, ...options];
      const { thread } = yield* SshTask.make(local, host, { options: far });
      const ssh = (script: string) => Peer.start("ssh", [...far, host, script]);
      const here = yield* Memfd.make(local.task, "here");
      const there = yield* Memfd.make(thread.task, "there");
      const bytes = new Uint8Array(FAR_SIZE).fill(1);
      yield* here.writeAllBytes(bytes);
      const sunk = yield* ssh(sinking(FAR_SIZE));
      const source = yield* ssh(`read -r line; head -c ${FAR_SIZE} /dev/zero`);
      const row = (way: string, samples: Array<number>, alone: Array<number>): Row => ({
        name: `ssh with ${2 * FAR_DELAY} ms more delay: a file of 16 MiB ${way}`,
        unit: "ns",
        samples,
        floor: {
          name: way === "there" ? "ssh cat > file, there" : "ssh cat, back",
          samples: alone,
        },
        aims: [{ ofFloor: 1 / 0.8 }],
      });
      return [
        row(
          "there",
          yield* timed(1, copyFile(here, there)),
          yield* timed(1, sunk.exchange(bytes, 1)),
        ),
        row(
          "back",
          yield* timed(1, copyFile(there, here)),
          yield* timed(1, source.exchange(Uint8Array.of(10), FAR_SIZE)),
        ),
      ];
    }),
  );

const overSsh = (local: Thread, { port, options }: Sshd, scale: number) =>
  Effect.gen(function* () {
    const host = "127.0.0.1";
    const ssh = (script: string) => Peer.start("ssh", [...options, host, script]);
    const bare = Command.make("/usr/bin/ssh", ...options, host, "true");
    const launch = SshTask.make(local, host, { options });
    const first = yield* connecting(
      ...([local, "ssh: to the first Thread", scale] as const),
      ...([launch, "ssh host true", bare] as const),
    );

    const { thread } = yield* launch;
    const { task } = thread;
    const cat = yield* ssh("cat");
    const byte = Uint8Array.of(1);
    const calls = Array.from({ length: 64 }, () => getpid(task.sysif));
    const count = 40 * scale;
    const small = yield* interleaved({
      one: timed(count, getpid(task.sysif)),
      many: timed(count / 4, batch(calls), calls.length),
      echo: timed(count, cat.exchange(byte, 1)),
    });
    const echo = { name: "a byte to cat and back", samples: small.echo };

    const here = yield* Memfd.make(local.task, "here");
    const there = yield* Memfd.make(task, "there");
    const bytes = new Uint8Array(BULK_SIZE).fill(1);
    yield* here.writeAllBytes(bytes);
    const sunk = yield* ssh(sinking(BULK_SIZE));
    const source = yield* ssh(`while read -r line; do head -c ${BULK_SIZE} /dev/zero; done`);
    const bulk = yield* interleaved({
      there: timed(scale, copyFile(here, there)),
      sunk: timed(scale, sunk.exchange(bytes, 1)),
      back: timed(scale, copyFile(there, here)),
      source: timed(scale, source.exchange(Uint8Array.of(10), BULK_SIZE)),
    });

    const slowPort = yield* slowLink(port, DELAY);
    const slow = yield* SshTask.make(local, host, {
      options: ["-p", `${slowPort}`, "-o", `HostKeyAlias=[${host}]:${port}`, ...options],
    });
    const { sysif } = slow.thread.task;
    const hundred = Array.from({ length: 100 }, () => getpid(sysif));
    const link = yield* interleaved({
      one: timed(scale, getpid(sysif)),
      hundred: timed(scale, batch(hundred)),
    });
    const rows: Array<Row> = [
      ...first,
      { name: "ssh: a system call", unit: "ns", samples: small.one, floor: echo },
      { name: "ssh: of 64 calls at once, each", unit: "ns", samples: small.many, floor: echo },
      {
        name: "ssh: a file of 64 MiB there",
        unit: "ns",
        samples: bulk.there,
        floor: { name: "ssh cat > file, there", samples: bulk.sunk },
        aims: [{ ofFloor: 1.3 }],
      },
      {
        name: "ssh: a file of 64 MiB back",
        unit: "ns",
        samples: bulk.back,
        floor: { name: "ssh cat, back", samples: bulk.source },
        aims: [{ ofFloor: 1.3 }],
      },
      {
        name: "ssh with 20 ms more delay: 100 calls at once",
        unit: "ns",
        samples: link.hundred,
        floor: { name: "one call: a round trip", samples: link.one },
        aims: [{ ofFloor: 2 }],
      },
    ];
    return rows;
  });

/** Ways to get a Thread, beside the commands that they use. */
export const transports = (local: Thread, scale: number) =>
  Effect.gen(function* () {
    const env = (...words: ReadonlyArray<string>) => Command.make("/usr/bin/env", ...words);
    const plain = (program: string, ...args: ReadonlyArray<string>) =>
      Command.make(program, ...args);
    const count = 4 * scale;
    const rows: Array<Row> = [
      ...(yield* connecting(
        ...([local, "task-stdin: to the first Thread", count] as const),
        ...([StdinTask.make(local, env), "env true", env("/bin/true")] as const),
      )),
      ...(yield* connecting(
        ...([local, "task-command: to the first Thread", count] as const),
        CommandTask.make(local, plain),
        // The boot needs both.
        ...(["sh -c 'exec perl -e 1'", Command.make("/bin/sh", "-c", "exec perl -e 1")] as const),
      )),
      ...(yield* connecting(
        ...([local, "task-command, the executable being there", count] as const),
        CommandTask.make(local, env, { executable: taskPath }),
        ...(["env true", env("/bin/true")] as const),
      )),
    ];
    rows.push(...(yield* throughRelays(local, scale)));
    if (noSshd !== undefined) {
      process.stderr.write(`no figures over ssh: ${noSshd}\n`);
      return rows;
    }
    const sshd = yield* startSshd({ config: ["MaxStartups 100"] });
    return [
      ...rows,
      ...(yield* overSsh(local, sshd, scale)),
      ...(yield* copiesFarAway(local, sshd)),
    ];
  });
