import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, isIP } from "node:net";
import { hostname } from "node:os";
import { Cause, Context, Effect, FiberSet, Layer, Semaphore } from "effect";
import { FleetState } from "./FleetState.ts";
import { PageError } from "./PageError.ts";
import { page, pagePolicy } from "./page.ts";
import { pageState, type Snapshot } from "./pageState.ts";
import type { RolloutStatus, RolloutSummary } from "./RolloutStatus.ts";

/** Where the page of a fleet is served. */
export interface PageOptions {
  /** The address to listen at. Default 127.0.0.1: other machines do not reach it, but by `ssh -L`. */
  readonly host?: string;
  /** Default 0: a free one. */
  readonly port?: number;
  /** What the address of the page has behind `?token=`. Default: a random one. */
  readonly token?: string;
}

/** The state is read at most once in this time, for all viewers ... */
const PERIOD = 500;

/** ... and takes at most a tenth of the time of the process. */
const REST = 9;

/** How long the storage may take. */
const PATIENCE = "10 seconds";

/** Rollouts that are shown. */
const ROLLOUTS = 100;

/** Rollouts that viewers have opened, and that are kept for the next question. */
const OPENED = 8;

/** Connections at the same time. */
const CONNECTIONS = 100;

/** How long a client may take to ask, and to take the answer. */
const CLIENT_MS = 10_000;

/**
 * A page that shows which process owns which hosts, what runs on them, and how far the rollouts are. It is served by a
 * process of the cluster, and shows the whole cluster.
 *
 * The page and its `state.json` are shown to those that know the token in the address, which is logged: other users of
 * the machine reach its loopback interface as well. They see the names of hosts, programs, rollouts and processes, and
 * the messages of errors; never payloads, results, or what programs have written. Nothing can be changed there.
 *
 * @example
 * ```ts
 * import { Cluster, Fleet, FleetPage, Hosts } from "@rsyscall/fleet";
 * import { Effect, Layer } from "effect";
 *
 * const fleet = FleetPage.layer().pipe(
 *   Layer.provideMerge(Fleet.layer({})),
 *   Layer.provide(Hosts.layer({ web1: { command: ["env"] } })),
 *   Layer.provideMerge(Cluster.memory()),
 * );
 * const program = Effect.gen(function* () {
 *   console.log((yield* FleetPage).url); // http://127.0.0.1:40123/?token=...
 * });
 * await Effect.runPromise(Effect.provide(program, fleet));
 * ```
 */
export class FleetPage extends Context.Service<
  FleetPage,
  {
    /** The address of the page, with its token. */
    readonly url: string;
  }
>()("@rsyscall/fleet/FleetPage") {
  /** Serves the page for as long as the scope, and logs its address. */
  static layer(options: PageOptions = {}): Layer.Layer<FleetPage, PageError, FleetState> {
    return Layer.effect(FleetPage, serve(options));
  }
}

const serve = ({ port = 0, ...options }: PageOptions) =>
  Effect.gen(function* () {
    // Empty texts are none given: Node would listen at all addresses, and the page would need no token.
    const host = options.host || "127.0.0.1";
    const token = options.token || randomBytes(16).toString("base64url");
    const { snapshot, rollout } = readers(yield* FleetState);
    const run = yield* FiberSet.makeRuntimePromise();
    const names = new Set(["localhost", host.toLowerCase(), hostname().toLowerCase()]);

    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const [path, query] = (request.url ?? "").split("?", 2);
      const words = new URLSearchParams(query);
      const asked = (key: string) => words.get(key) ?? "";
      const refusal =
        refused(request, names) ?? (isSame(asked("token"), token) ? undefined : withoutToken);
      if (refusal !== undefined) return send(response, ...refusal);
      if (path === "/") return send(response, 200, "text/html", page);
      if (path !== "/state.json")
        return send(response, ...text(404, "There are / and /state.json here."));
      const body = await run(
        Effect.gen(function* () {
          const now = yield* snapshot;
          const known = now.rollouts.find(
            ({ name, id }) => name === asked("name") && id === asked("id"),
          );
          const opened = known && (yield* rollout(known));
          return JSON.stringify(pageState(now, { search: asked("search"), rollout: opened }));
        }),
      );
      send(response, 200, "application/json", body);
    };
    const server = createServer(
      { headersTimeout: CLIENT_MS, requestTimeout: CLIENT_MS, keepAliveTimeout: CLIENT_MS },
      (request, response) => {
        // A request that is not answered because we end, or because of a defect, is cut.
        answer(request, response).catch(() => response.destroy());
      },
    );
    server.maxConnections = CONNECTIONS;
    server.timeout = CLIENT_MS;
    yield* Effect.acquireRelease(listen(server, host, port), () => close(server));
    const { address, port: bound } = server.address() as AddressInfo;
    const isAny = address === "0.0.0.0" || address === "::";
    const shown = isAny ? hostname() : isIP(host) === 6 ? `[${host}]` : host;
    const url = `http://${shown}:${bound}/?token=${encodeURIComponent(token)}`;
    yield* Effect.logInfo(`The page of the fleet: ${url}`);
    return { url };
  });

/**
 * Reads something again if what was read is old, once for all viewers, and with rests in between. If it cannot be read,
 * `failed` says what is shown instead.
 */
const shared = <A, E>(
  read: Effect.Effect<A, E>,
  first: A,
  failed: (last: A) => A,
): Effect.Effect<A> => {
  const turn = Semaphore.makeUnsafe(1);
  let last = first;
  let due = 0;
  return Effect.gen(function* () {
    const begun = performance.now();
    if (begun < due) return last;
    last = yield* read.pipe(
      Effect.timeout(PATIENCE),
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.as(
              Effect.logDebug("The state of the fleet cannot be read", cause),
              failed(last),
            ),
      ),
    );
    const end = performance.now();
    due = end + Math.max(PERIOD, (end - begun) * REST);
    return last;
  }).pipe(turn.withPermits(1));
};

/** What is to be shown: all, and one rollout host by host. */
const readers = (state: FleetState["Service"]) => {
  const empty: Snapshot = {
    ...{ time: 0, problem: null, runners: [], hosts: [], rollouts: [], more: false },
  };
  const all = Effect.gen(function* () {
    const runners = yield* state.runners();
    const hosts = yield* state.hosts();
    const rollouts = yield* state.rollouts(ROLLOUTS + 1);
    return {
      ...{ time: Date.now(), problem: null, runners, hosts },
      ...{ rollouts: rollouts.slice(0, ROLLOUTS), more: rollouts.length > ROLLOUTS },
    };
  });
  // What an error of a database says is for the log: it may have addresses and statements in it.
  const problem = "the storage of the cluster does not answer: this is old";
  const opened = new Map<string, Effect.Effect<RolloutStatus | undefined>>();
  return {
    snapshot: shared<Snapshot, unknown>(all, empty, (last) => ({ ...last, problem })),
    rollout: ({ name, id }: RolloutSummary) => {
      const key = JSON.stringify([name, id]);
      const reader =
        opened.get(key) ??
        shared<RolloutStatus | undefined, unknown>(
          state.rollout(name, id),
          undefined,
          (last) => last,
        );
      opened.delete(key);
      opened.set(key, reader);
      for (const oldest of opened.keys()) if (opened.size > OPENED) opened.delete(oldest);
      return reader;
    },
  };
};

type Answer = readonly [status: number, type: string, body: string];

const text = (status: number, body: string): Answer => [status, "text/plain", `${body}\n`];

/** Why a request is refused: undefined if it is not. */
const refused = (
  { headers, method }: IncomingMessage,
  names: ReadonlySet<string>,
): Answer | undefined => {
  // Pages of other sites can give their own names our address: only the name tells.
  const name = (headers.host ?? "").replace(/:\d*$/, "").toLowerCase();
  if (isIP(name.replace(/^\[(.*)\]$/, "$1")) === 0 && !names.has(name))
    return text(403, "This is not served under that name: use the address that was logged.");
  if (method !== "GET") return text(405, "Only GET is allowed: nothing can be changed here.");
  return undefined;
};

const withoutToken = text(
  403,
  "The token in the address is missing or wrong: use the address that was logged.",
);

/** Takes as long for any text. */
const isSame = (one: string, other: string): boolean => {
  const digest = (secret: string) => createHash("sha256").update(secret).digest();
  return timingSafeEqual(digest(one), digest(other));
};

const send = (response: ServerResponse, status: number, type: string, body: string): void => {
  response.writeHead(status, {
    "Content-Type": `${type}; charset=utf-8`,
    "Content-Security-Policy": pagePolicy,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    ...(status === 405 ? { Allow: "GET" } : {}),
    // What a refused client sends behind its question is not read.
    ...(status === 200 ? {} : { Connection: "close" }),
  });
  response.end(body);
};

const listen = (server: Server, host: string, port: number): Effect.Effect<void, PageError> =>
  Effect.callback((resume) => {
    // Also later: a connection that cannot be accepted is no reason to end.
    server.on("error", (cause) => resume(Effect.fail(new PageError({ host, port, cause }))));
    try {
      server.listen({ host, port }, () => resume(Effect.void));
    } catch (cause) {
      resume(Effect.fail(new PageError({ host, port, cause: cause as Error })));
    }
  });

const close = (server: Server): Effect.Effect<void> =>
  Effect.callback((resume) => {
    server.close(() => resume(Effect.void));
    server.closeAllConnections();
  });
