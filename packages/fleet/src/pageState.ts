import { printable } from "@rsyscall/near";
import type { HostState, RunnerState } from "./FleetState.ts";
import type { HostStatus, RolloutCounts, RolloutStatus, RolloutSummary } from "./RolloutStatus.ts";

/** The longest name that is shown. */
const NAME = 200;

/** The longest text of an error that is shown. */
const DETAIL = 300;

/** Hosts in a list. The others are counted, and can be searched for. */
export const MOST_HOSTS = 200;

/** Batches in a list. */
const MOST_BATCHES = 24;

/** What the page is made from: as it was at one time. */
export interface Snapshot {
  /** When it was read, in milliseconds since 1970. */
  readonly time: number;
  /** Why it is old. */
  readonly problem: string | null;
  readonly runners: ReadonlyArray<RunnerState>;
  readonly hosts: ReadonlyArray<HostState>;
  /** The newest first. */
  readonly rollouts: ReadonlyArray<RolloutSummary>;
  /** Whether there are older ones. */
  readonly more: boolean;
}

/** What a viewer wants to see. */
export interface View {
  /** What names of hosts, runners and programs must contain. */
  readonly search: string;
  /** The rollout that is opened. */
  readonly rollout: RolloutStatus | undefined;
}

const name = (text: string): string => printable(text, NAME);

/** A duration in milliseconds, as exact as it is shown: what has not changed is not drawn anew. */
const shownDuration = (from: number, to: number): number => {
  const duration = Math.max(0, to - from);
  return duration - (duration % (duration < 60_000 ? 1000 : 60_000));
};

const ago = (snapshot: Snapshot, since: number): number => shownDuration(since, snapshot.time);

/** What is shown first: what needs a look, then what is at work. */
const rank = ({ state, programs }: HostState): number =>
  state === "lost"
    ? 0
    : state === "failed"
      ? 1
      : programs.length > 0
        ? 2
        : state === "opening"
          ? 3
          : 4;

const statusRank: Readonly<Record<HostStatus["status"], number>> = {
  failed: 0,
  running: 1,
  pending: 2,
  skipped: 3,
  done: 4,
};

const ordered = <A>(
  all: ReadonlyArray<A>,
  rankOf: (one: A) => number,
  textOf: (one: A) => string,
): ReadonlyArray<A> =>
  [...all].sort((a, b) => rankOf(a) - rankOf(b) || (textOf(a) < textOf(b) ? -1 : 1));

const runnersOf = (snapshot: Snapshot) => {
  const counts = () => ({ open: 0, opening: 0, failed: 0, lost: 0, programs: 0 });
  const runners = new Map(
    snapshot.runners.map(({ address, healthy }) => [address, { healthy, ...counts() }]),
  );
  for (const { runner, state, programs } of snapshot.hosts) {
    const counted = runners.get(runner) ?? { healthy: false, ...counts() };
    runners.set(runner, counted);
    counted[state]++;
    if (state !== "lost") counted.programs += programs.length;
  }
  return [...runners].map(([address, counted]) => ({ address: name(address), ...counted }));
};

const hostsOf = (snapshot: Snapshot, search: string) => {
  const found = snapshot.hosts.filter(({ host, runner, programs }) =>
    [host, runner, ...programs.map(({ program }) => program)].some((text) =>
      text.toLowerCase().includes(search),
    ),
  );
  return {
    all: snapshot.hosts.length,
    found: found.length,
    shown: ordered(found, rank, ({ host }) => host)
      .slice(0, MOST_HOSTS)
      .map(({ host, runner, state, since, detail, programs }) => ({
        host: name(host),
        runner: name(runner),
        state,
        since: ago(snapshot, since),
        detail: detail === undefined ? "" : printable(detail, DETAIL),
        // One that is lost runs there no more, or nothing is known of it.
        programs:
          state === "lost"
            ? []
            : programs.map(({ program, since }) => ({
                program: name(program),
                since: ago(snapshot, since),
              })),
      })),
  };
};

const summaryOf = (
  snapshot: Snapshot,
  { name: kind, id, state, counts, began, ended }: RolloutSummary,
) => ({
  // As they are, to ask for it.
  key: [kind, id],
  name: name(kind),
  id: name(id),
  state: state._tag,
  batch: "batch" in state ? state.batch : null,
  problem: state._tag === "Ended" ? printable(state.problem ?? "", DETAIL) : "",
  counts,
  took: shownDuration(began, ended ?? snapshot.time),
});

const countsOf = (hosts: ReadonlyArray<HostStatus>): RolloutCounts => {
  const counts = { all: hosts.length, pending: 0, running: 0, done: 0, failed: 0, skipped: 0 };
  for (const { status } of hosts) counts[status]++;
  return counts;
};

const rolloutOf = (snapshot: Snapshot, search: string, rollout: RolloutStatus) => {
  const { batches, state } = rollout;
  const at = "batch" in state ? state.batch : batches.length - 1;
  const first = Math.max(0, Math.min(at - MOST_BATCHES / 2, batches.length - MOST_BATCHES));
  const found = batches.flatMap((hosts, batch) =>
    hosts.flatMap((host) =>
      [host.host, host.status, host.step ?? ""].some((text) => text.toLowerCase().includes(search))
        ? [{ ...host, batch }]
        : [],
    ),
  );
  return {
    ...summaryOf(snapshot, rollout),
    batches: {
      all: batches.length,
      shown: batches
        .slice(first, first + MOST_BATCHES)
        .map((hosts, index) => ({ batch: first + index, counts: countsOf(hosts) })),
    },
    hosts: {
      all: rollout.counts.all,
      found: found.length,
      shown: ordered(
        found,
        ({ status }) => statusRank[status],
        ({ host }) => host,
      )
        .slice(0, MOST_HOSTS)
        .map((one) => ({
          host: name(one.host),
          batch: one.batch,
          status: one.status,
          step: name(one.step ?? ""),
          error: name(one.error ?? ""),
          detail: printable(one.detail ?? "", DETAIL),
        })),
    },
  };
};

/**
 * What a viewer is told, as JSON: names, states, durations in milliseconds, and errors, all cut and printable. Payloads,
 * results and outputs of programs are not in it: they may be secret.
 */
export const pageState = (snapshot: Snapshot, { search, rollout }: View) => {
  const wanted = search.trim().toLowerCase();
  return {
    problem: snapshot.problem,
    runners: runnersOf(snapshot),
    hosts: hostsOf(snapshot, wanted),
    rollouts: {
      more: snapshot.more,
      shown: snapshot.rollouts.map((one) => summaryOf(snapshot, one)),
    },
    rollout: rollout === undefined ? null : rolloutOf(snapshot, wanted, rollout),
  };
};
