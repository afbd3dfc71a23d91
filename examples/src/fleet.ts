/*
 * A program on three hosts, and a rollout that is durable: it would go on after this process was killed. The hosts are
 * processes of this machine here; `{ ssh: "user@host" }` is another machine. Needs Node 22.19.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cluster, Fleet, Host, Hosts, once, Program, Rollout } from "@rsyscall/fleet";
import { Effect, FileSystem, Layer, Schema, Stream } from "effect";

const directory = mkdtempSync(join(tmpdir(), "fleet-"));

/** What is done on a host: over its Thread ... */
const kernel = Program.make("kernel", { success: Schema.String }, () =>
  Effect.gen(function* () {
    const { thread } = yield* Host;
    return new TextDecoder().decode(yield* thread.slurp("/proc/sys/kernel/ostype")).trim();
  }),
);

/** ... or over Effect's FileSystem there. */
const Version = Schema.Struct({ version: Schema.String });
const install = Program.make("install", { payload: Version }, ({ version }) =>
  Effect.gen(function* () {
    const host = yield* Host;
    const files = yield* FileSystem.FileSystem;
    // However often the step is begun: what is in `once` is done one time.
    yield* once(`${directory}/${host.name}.installed-${version}`, () =>
      files.writeFileString(`${directory}/${host.name}.version`, version),
    );
  }),
);
const check = Program.make("check", { payload: Version }, ({ version }) =>
  Effect.gen(function* () {
    const { name } = yield* Host;
    const files = yield* FileSystem.FileSystem;
    const found = yield* files.readFileString(`${directory}/${name}.version`);
    if (found !== version) return yield* Effect.fail(new Error(`${name} has ${found}`));
  }),
);
const upgrade = Rollout.make("upgrade", { payload: Version, steps: [install, check] });

const local = { command: ["env"] } as const;
const fleet = Fleet.layer({ programs: [kernel], rollouts: [upgrade] }).pipe(
  Layer.provide(Hosts.layer({ web1: local, web2: local, web3: local })),
  Layer.provideMerge(Cluster.sqlite({ filename: join(directory, "fleet.sqlite") })),
);

const program = Effect.gen(function* () {
  const hosts = ["web1", "web2", "web3"];
  yield* Stream.runForEach(Fleet.run(kernel, hosts, undefined), (event) =>
    Effect.sync(() => {
      if (event._tag === "Done") console.log(`${event.host} runs ${event.value}`);
    }),
  );
  // One host first, then all others when that is approved.
  yield* upgrade.start(
    "1.2",
    hosts,
    { version: "1.2" },
    { batches: [1, Number.POSITIVE_INFINITY], approval: true },
  );
  yield* upgrade.approve("1.2", 1);
  const outcome = yield* upgrade.outcome("1.2");
  for (const { host, status } of outcome.hosts) console.log(`upgrade of ${host}: ${status}`);
});

await Effect.runPromise(Effect.provide(program, fleet)).finally(() =>
  rmSync(directory, { recursive: true }),
);
