import { constants } from "node:os";
import type { CommandError, HostAddress, HostError, HostsList } from "@rsyscall/fleet";
import { Deferred, Effect, Exit, Fiber, Layer, References, Stream } from "effect";
import { UsageError } from "../UsageError.ts";
import { jsonReport, textReport } from "./reports.ts";
import { Screen } from "./Screen.ts";

export interface FleetCommandOptions {
  readonly hosts: ReadonlyArray<string>;
  readonly host: ReadonlyArray<string>;
  readonly concurrency: number;
  readonly stopAfter: number | undefined;
  readonly timeout: number | undefined;
  readonly connectTimeout: number;
  readonly sshOption: ReadonlyArray<string>;
  readonly shell: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly command: ReadonlyArray<string>;
}

type FleetPackage = typeof import("@rsyscall/fleet");

/** Signals that end the run: what runs on the hosts is killed first. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** How long the hosts get to say that what ran there was killed. */
const GRACE = "5 seconds";

/** Milliseconds after which this process ends all the same, because the ssh of a host that is frozen does not end. */
const LEAVE_AFTER = 10_000;

/**
 * How long a connection stays open without a command: from its opening to the command, and after that. The command line
 * runs one command, and must not keep thousands of connections.
 */
const IDLE = "1 second";

/** Runs a command on many hosts, and gives the exit status. */
export const runFleet = async (
  fleet: FleetPackage,
  options: FleetCommandOptions,
): Promise<number> => {
  const { Cluster, command, Fleet, Hosts, RunSummary } = fleet;
  const all = await hostsOf(fleet, options);
  const sshOptions = sshOptionsOf(options);
  const broken = options.command.find((word) => word.includes("\ufffd"));
  if (broken !== undefined)
    throw new UsageError(
      `${JSON.stringify(broken)} is not UTF-8: Node cannot pass it on unchanged; have a shell there make it, as by printf`,
    );
  const { concurrency, connectTimeout, json, quiet, shell, stopAfter, timeout } = options;
  const words = options.command as unknown as readonly [string, ...ReadonlyArray<string>];
  const summary = new RunSummary(all.keys());
  const screen = new Screen(summary, quiet);
  const report = json ? jsonReport(screen, options) : textReport(screen, quiet);
  const runtime = Fleet.layer({ programs: [command], idle: IDLE }).pipe(
    Layer.provide(
      Hosts.layer((name) => withOptions(all.get(name), sshOptions), {
        timeout: `${connectTimeout} seconds`,
      }),
    ),
    Layer.provideMerge(Cluster.memory()),
  );
  const events = Fleet.run(
    command,
    all.keys(),
    { words, shell, ...(timeout === undefined ? {} : { timeout: timeout * 1000 }) },
    { concurrency, ...(stopAfter === undefined ? {} : { stopAfter }) },
  );
  let leaving: NodeJS.Timeout | undefined;
  const program = Effect.gen(function* () {
    const stopped = yield* untilStopped;
    const run = Stream.runForEach(events, (event) =>
      Effect.promise(async () => {
        summary.add(event);
        await report.event(event as ReportedEvent);
        screen.update();
      }),
    );
    const running = yield* Effect.forkChild(run);
    const status = yield* Effect.raceFirst(
      Effect.as(Fiber.join(running), undefined),
      Deferred.await(stopped),
    );
    if (status !== undefined) {
      if (!quiet && summary.unfinished.length > 0)
        yield* Effect.promise(() =>
          screen.write(process.stderr, `ending what runs on ${hostsIn(summary.unfinished)} ...\n`),
        );
      leaving = setTimeout(() => {
        void finish().finally(() => process.exit(status));
      }, LEAVE_AFTER).unref();
    }
    // A host that does not answer any more cannot hold us up.
    yield* Effect.ignore(Effect.timeout(Fiber.interrupt(running), GRACE));
    return status;
  }).pipe(Effect.scoped);
  const finish = async () => {
    screen.close();
    await report.end(summary);
    if (!quiet) process.stderr.write(`${summary}\n`);
    else if (summary.skipped.length > 0)
      process.stderr.write(`skipped, because others have failed: ${hostsIn(summary.skipped)}\n`);
  };
  screen.open();
  const ended = await Effect.runPromiseExit(
    // Its logs would be on stdout.
    program.pipe(
      Effect.provide(runtime),
      Effect.provideService(References.MinimumLogLevel, "None"),
    ),
  );
  clearTimeout(leaving);
  await finish();
  if (Exit.isFailure(ended)) throw Effect.runSync(Effect.flip(Effect.failCause(ended.cause)));
  return ended.value ?? (summary.isDone ? 0 : 1);
};

const hostsIn = ({ length }: ReadonlyArray<string>): string =>
  length === 1 ? "1 host" : `${length} hosts`;

/**
 * Completes with an exit status, by the first signal that ends the run, or when stdout cannot be written any more. The
 * second signal ends this process at once.
 */
const untilStopped = Effect.gen(function* () {
  const stopped = yield* Deferred.make<number>();
  const stop = (status: number) => Deferred.doneUnsafe(stopped, Effect.succeed(status));
  const isGone = () => stop(1);
  yield* Effect.acquireRelease(
    Effect.sync(() => process.stdout.on("error", isGone)),
    () => Effect.sync(() => process.stdout.off("error", isGone)),
  );
  let isFirst = true;
  for (const signal of ENDING) {
    const status = 128 + constants.signals[signal];
    const hear = () => {
      if (!isFirst) process.exit(status);
      isFirst = false;
      stop(status);
    };
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on(signal, hear)),
      () => Effect.sync(() => process.off(signal, hear)),
    );
  }
  return stopped;
});

/** What happens on a host, with what the command has written. */
export type ReportedEvent =
  | { readonly _tag: "Started"; readonly host: string }
  | { readonly _tag: "Skipped"; readonly host: string }
  | {
      readonly _tag: "Done";
      readonly host: string;
      readonly value: Written;
      readonly duration: number;
    }
  | {
      readonly _tag: "Failed";
      readonly host: string;
      readonly error: CommandError | HostError;
      readonly duration: number;
    };

/** What a command has written. */
export type Written = Pick<
  CommandError,
  "stdout" | "stderr" | "stdoutCut" | "stderrCut" | "outputOpen"
>;

/** The hosts of the files, or of --host. What is wrong with them is wrong usage. */
const hostsOf = async (
  { parseHosts, readHosts }: FleetPackage,
  { hosts, host }: FleetCommandOptions,
): Promise<HostsList> => {
  if (hosts.length === 0 && host.length === 0)
    throw new UsageError("give the hosts: --hosts FILE, or --host user@host");
  const parsed = await Effect.runPromise(
    Effect.result(
      hosts.length === 0
        ? parseHosts(host.map((text) => ({ file: `--host ${JSON.stringify(text)}`, text })))
        : readHosts(hosts),
    ),
  );
  if (parsed._tag === "Failure") throw new UsageError(parsed.failure.message);
  if (hosts.length === 0 || host.length === 0) return parsed.success;
  const unknown = host.filter((name) => !parsed.success.has(name));
  if (unknown.length > 0)
    throw new UsageError(
      `--host: ${hosts.join(", ")} ${hosts.length === 1 ? "has" : "have"} no host ${unknown.map((name) => JSON.stringify(name)).join(", ")}`,
    );
  return new Map(host.map((name) => [name, parsed.success.get(name) as HostAddress]));
};

/** The words of `--ssh-option`. */
const sshOptionsOf = ({ sshOption }: FleetCommandOptions): ReadonlyArray<string> =>
  sshOption.flatMap((option) => {
    if (option.trim() === "")
      throw new UsageError("--ssh-option is empty: give ProxyJump=bastion, or '-p 2222'");
    return option.startsWith("-")
      ? option.split(/\s+/).filter((word) => word !== "")
      : ["-o", option];
  });

/** An address with the options that are for all hosts. Its own come first: of an option, ssh takes the first value. */
const withOptions = (
  address: HostAddress | undefined,
  given: ReadonlyArray<string>,
): HostAddress | undefined => {
  if (address === undefined || !("ssh" in address)) return address;
  return { ...address, options: [...(address.options ?? []), ...given] };
};
