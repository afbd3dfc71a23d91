import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Cluster, command, Fleet, Hosts } from "@rsyscall/fleet";
import { HOST, noSshd, startSshd } from "@rsyscall/harness/sshd";
import { Effect, Layer, type Scope, Stream } from "effect";
import { timed } from "./interleaved.ts";
import type { Row } from "./Row.ts";

/** Hosts: names of one sshd, which has a connection for each. */
const HOSTS = 50;

const CONCURRENCY = 20;

/** The command line, as a user has it: it is built beside this program. */
const BIN = join(
  dirname(fileURLToPath(import.meta.resolve("rsyscall/package.json"))),
  "bin/rsyscall.js",
);

/** One command on many hosts, in a fresh process each time, beside what a shell has for it. */
export const fleet = (
  directory: string,
  scale: number,
): Effect.Effect<ReadonlyArray<Row>, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    if (noSshd !== undefined) {
      process.stderr.write(`no figures of fleets: ${noSshd}\n`);
      return [];
    }
    const { port, directory: keys } = yield* startSshd({ config: ["MaxStartups 200"] });
    const names = Array.from({ length: HOSTS }, (_, i) => `h${i + 1}`);
    const [config, list] = [join(directory, "ssh_config"), join(directory, "hosts")];
    writeFileSync(list, `${names.join("\n")}\n`);
    writeFileSync(
      config,
      [
        "Host h*",
        `HostName ${HOST}`,
        `Port ${port}`,
        `HostKeyAlias [${HOST}]:${port}`,
        `IdentityFile ${keys}/user`,
        "IdentitiesOnly yes",
        `UserKnownHostsFile ${keys}/known`,
        "",
      ].join("\n"),
    );
    const run = (program: string, ...args: ReadonlyArray<string>) =>
      Effect.promise(() =>
        // This process goes on meanwhile: it reads what sshd logs.
        promisify(execFile)(program, args),
      );
    const shell = (script: string) => run("/bin/sh", "-c", script);
    const measures = {
      xargs: shell(`xargs -P ${CONCURRENCY} -I{} ssh -F ${config} {} true < ${list}`),
      fleet: run(
        process.execPath,
        ...[BIN, "fleet", "--hosts", list, "--concurrency", `${CONCURRENCY}`],
        ...[`--ssh-option=-F ${config}`, "--", "true"],
      ),
      loop: shell(`for host in $(cat ${list}); do ssh -n -F ${config} $host true || exit; done`),
    };
    // The files of all are in the page cache then, and the code of the command line in that of Node.
    yield* measures.fleet;
    const samples = { xargs: [], fleet: [], loop: [] } as Record<
      keyof typeof measures,
      Array<number>
    >;
    const turn = (name: keyof typeof measures) =>
      Effect.map(timed(1, measures[name]), (taken) => samples[name].push(...taken));
    for (let round = 0; round <= scale; round++) {
      yield* turn("xargs");
      yield* turn("fleet");
    }
    yield* turn("loop");

    const kept = Fleet.layer({ programs: [command] }).pipe(
      Layer.provide(Hosts.bySsh(["-F", config])),
      Layer.provideMerge(Cluster.memory()),
    );
    const again = Effect.gen(function* () {
      const all = Fleet.run(command, names, { words: ["true"] }, { concurrency: CONCURRENCY });
      const events = Stream.runForEach(all, (event) =>
        event._tag === "Failed" ? Effect.fail(event.error) : Effect.void,
      );
      yield* events;
      return yield* timed(4 * scale, events);
    }).pipe(Effect.provide(kept));
    const xargs = { name: `xargs -P ${CONCURRENCY} ssh`, samples: samples.xargs };
    const rows: ReadonlyArray<Row> = [
      {
        name: `rsyscall fleet: true on ${HOSTS} hosts`,
        unit: "ns",
        samples: samples.fleet,
        instead: xargs,
        aims: [{ ofInstead: 1.1 }],
      },
      {
        name: `rsyscall fleet: true on ${HOSTS} hosts, beside a loop`,
        unit: "ns",
        samples: samples.fleet,
        instead: { name: "ssh in a loop", samples: samples.loop },
      },
      {
        name: `Fleet.run: true on ${HOSTS} hosts whose Threads are kept`,
        unit: "ns",
        samples: yield* again,
        instead: xargs,
        aims: [{ ofInstead: 0.1 }],
      },
    ];
    return rows;
  });
