import { request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import {
  Cluster,
  Fleet,
  FleetPage,
  FleetState,
  Host,
  Hosts,
  Program,
  Rollout,
} from "@rsyscall/fleet";
import { it, noFleet, tempDirectory } from "@rsyscall/harness";
import { noBrowser, openBrowser } from "@rsyscall/harness/browser";
import { Effect, Layer, Logger, Schema, Stream } from "effect";
import { SqlClient } from "effect/sql";
import { assert, describe } from "vitest";
import { until } from "./fleet.ts";

const SECRET = "a-secret-of-the-payload";
const HOSTILE =
  "<img src=/x onerror=window.hacked=1>\u202e</script><script>window.hacked=1</script>";

/** Hosts on which `waits` goes on. */
const letGo = new Set<string>();

const Work = Schema.Struct({ secret: Schema.String });
const waits = Program.make(
  `waits ${HOSTILE}`,
  { payload: Work, success: Schema.String },
  ({ secret }) =>
    Effect.gen(function* () {
      const { name } = yield* Host;
      while (!letGo.has(name)) yield* Effect.sleep(5);
      if (name === HOSTILE) {
        const error = new Error(`${HOSTILE} ${"long ".repeat(1000)}`);
        return yield* Effect.fail(Object.assign(error, { name: HOSTILE }));
      }
      return `result of ${secret}`;
    }),
);
const work = Rollout.make(`work ${HOSTILE}`, { payload: Work, steps: [waits] });

/** Of other code than that which has started it. */
const odd = Program.make(
  "odd",
  { payload: Schema.Struct({ secret: Schema.Number }) },
  () => Effect.void,
);
const oddWork = Rollout.make("odd step", { payload: Work, steps: [odd] });
const oddPayload = { payload: Schema.Struct({ secret: Schema.Number }), steps: [odd] };
const broken = Rollout.make("broken", oddPayload);
const brokenFromElsewhere = Rollout.make("broken", { payload: Work, steps: [odd] });

const env = { command: ["env"] } as const;
const fleet = Fleet.layer({ programs: [waits], rollouts: [work, oddWork, broken] }).pipe(
  Layer.provide(Hosts.layer({ a: env, b: env, closed: { command: ["false"] }, [HOSTILE]: env })),
);

/** What was logged. */
const log: Array<string> = [];
const logger = Logger.layer([Logger.make(({ message }) => void log.push(String(message)))]);

const cluster = Layer.unwrap(
  Effect.map(tempDirectory, (directory) =>
    FleetPage.layer().pipe(
      Layer.provideMerge(fleet),
      Layer.provideMerge(
        Cluster.sqlite(
          { filename: `${directory}/fleet.sqlite` },
          { entityMessagePollInterval: 50 },
        ),
      ),
      Layer.provide(logger),
    ),
  ),
);

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks the server of an address, and gives its answer. */
const ask = (url: string, { method = "GET", path, headers = {} }: Asked = {}) =>
  Effect.promise(
    () =>
      new Promise<{ status: number; headers: Readonly<Record<string, unknown>>; body: string }>(
        (resolve, reject) => {
          const options = {
            method,
            headers,
            agent: false,
            ...(path === undefined ? {} : { path }),
          };
          const asking = request(url, options, (answer) => {
            let body = "";
            answer.setEncoding("utf8").on("data", (text: string) => {
              body += text;
            });
            answer.on("end", () =>
              resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }),
            );
          });
          asking.on("error", reject).end();
        },
      ),
  );

describe("the page of a fleet", () => {
  it.skipIf(noFleet ?? noBrowser)(
    "shows hosts and rollouts in a browser, and nothing secret",
    function* () {
      letGo.clear();
      const page = yield* openBrowser;
      yield* Effect.provide(
        Effect.gen(function* () {
          const { url } = yield* FleetPage;
          yield* page.open(url);
          yield* page.until(`document.body.innerText.includes("none is open")`);
          yield* page.until(`document.body.innerText.includes("localhost:34431")`);

          const options = { batches: [2], approval: true, failures: 1, attempts: 1 };
          yield* work.start("r1", ["a", HOSTILE, "b", "closed"], { secret: SECRET }, options);
          const shows = (selector: string, text: string) =>
            page.until(
              `document.querySelector(${JSON.stringify(selector)})?.innerText.includes(${JSON.stringify(text)})`,
            );
          yield* shows("#rollouts", "works on batch 0");
          yield* shows("#hosts", "waits <img");
          letGo.add("a").add(HOSTILE);
          yield* shows("#rollouts", "waits for the approval of batch 1");
          yield* shows("#rollouts", "1 done, 1 failed, 2 pending of 4");
          yield* page.click("#rollouts button");
          yield* shows("#rollout", `${HOSTILE.replace("\u202e", "\\u202e")}: `);
          yield* shows("#rollout", "long long");
          yield* page.click("#search");
          yield* page.type("CLOSED");
          yield* shows("#rollout", "shown are 1 of 1 that were found, of 4");
          yield* shows("#hosts", "shown are 0 of 0 that were found, of 2");
          yield* work.approve("r1", 1);
          letGo.add("b");
          yield* shows("#rollouts", "ended");

          // Errors of schemas do not quote what cannot be decoded.
          yield* oddWork.start("r2", ["a"], { secret: SECRET });
          yield* brokenFromElsewhere.start("r3", ["a"], { secret: SECRET });
          yield* shows("#rollouts", "ended: Expected");
          const stateOf = (name: string, id: string) =>
            ask(`${url.replace("/?", "/state.json?")}&name=${encodeURIComponent(name)}&id=${id}`);
          for (const [name, id] of [
            ["odd step", "r2"],
            ["broken", "r3"],
          ] as const) {
            const { body } = yield* until(stateOf(name, id), (answer) =>
              answer.body.includes("Expected"),
            );
            assert.isFalse(body.includes(SECRET), name);
          }

          const told = yield* page.evaluate<string>("document.documentElement.innerText");
          assert.isBelow(told.length, 5000, "texts are cut");
          assert.isFalse(told.includes("\u202e"), "no character acts on the text around it");
          for (const path of ["/", "/state.json"]) {
            const { body } = yield* ask(url, { path: `${path}${new URL(url).search}` });
            assert.isFalse(body.includes(SECRET), path);
          }
          assert.isUndefined(yield* page.evaluate("window.hacked"));
          assert.equal(yield* page.evaluate("document.querySelectorAll('img').length"), 0);
          assert.deepEqual(page.problems, []);
        }),
        cluster,
      );
      // The process of the page has ended.
      yield* page.until(`document.querySelector("#problem").innerText.includes("does not answer")`);
    },
  );

  it.skipIf(noFleet)("answers those that have its address, and only what it has", function* () {
    yield* Effect.provide(
      Effect.gen(function* () {
        const { url } = yield* FleetPage;
        const { search, port, hostname } = new URL(url);
        assert.equal(hostname, "127.0.0.1");
        assert.equal(log.at(-1), `The page of the fleet: ${url}`);
        const statusOf = (asked: Asked) =>
          Effect.map(ask(url, { path: `/state.json${search}`, ...asked }), ({ status }) => status);
        assert.equal(yield* statusOf({}), 200);
        const names = [
          "localhost",
          `localhost:${port}`,
          "127.0.0.1:1",
          "[::1]:80",
          "LOCALHOST:8080",
        ];
        for (const host of names) assert.equal(yield* statusOf({ headers: { host } }), 200, host);
        const bad = [
          "evil.example",
          `evil.example:${port}`,
          "localhost.evil.example",
          "1.2.3.4.nip.io",
          "a b",
        ];
        for (const host of bad) assert.equal(yield* statusOf({ headers: { host } }), 403, host);
        for (const path of [
          "/",
          "/state.json",
          "/?token=",
          "/?token=x",
          `/?token=x&${search.slice(1)}`,
        ])
          assert.equal(yield* statusOf({ path }), 403, path);
        for (const method of ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
          assert.equal(yield* statusOf({ method }), 405, method);
        for (const path of [
          "/x",
          "//",
          "//state.json",
          "/../etc/passwd",
          "/state.json/",
          "http://[",
          "*",
        ])
          assert.equal(yield* statusOf({ path: `${path}${search}` }), 404, path);

        const { headers } = yield* ask(url);
        assert.match(
          String(headers["content-security-policy"]),
          /^default-src 'none'; style-src 'sha256-/,
        );
        assert.equal(headers["cache-control"], "no-store");
        assert.equal(headers["x-content-type-options"], "nosniff");
        assert.equal(headers["referrer-policy"], "no-referrer");
        assert.isUndefined(headers["access-control-allow-origin"]);

        const bare = connect(Number(port), hostname);
        bare.write(`GET /state.json${search} HTTP/1.0\r\n\r\n`);
        assert.match(yield* Effect.promise(() => text(bare)), /^HTTP\/1.1 403 /);

        // Clients that hold their connections are cut when the process ends.
        for (const begun of [
          "GET / HTTP/1.1\r\n",
          "GET /state.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ])
          connect(Number(port), hostname)
            .on("error", () => {})
            .write(begun);
      }),
      cluster,
    );
  });

  it.skipIf(noFleet)("says that its storage does not answer, and makes no run fail", function* () {
    letGo.clear();
    letGo.add("a");
    yield* Effect.provide(
      Effect.gen(function* () {
        const url = (yield* FleetPage).url.replace("/?", "/state.json?");
        const sql = yield* SqlClient.SqlClient;
        yield* sql`DROP TABLE rsyscall_hosts`;
        const runs = yield* Stream.runCollect(Fleet.run(waits, ["a"], { secret: SECRET }));
        assert.equal(runs.at(-1)?._tag, "Done");
        const state = yield* FleetState;
        assert.equal((yield* Effect.flip(state.hosts()))._tag, "PersistenceError");
        assert.match(JSON.parse((yield* ask(url)).body).problem, /does not answer/);
      }),
      cluster,
    );
  });

  it.skipIf(noFleet)("says why it cannot be served", function* () {
    const served = (options: Parameters<typeof FleetPage.layer>[0]) =>
      Effect.scoped(
        Effect.flip(
          Effect.provide(FleetPage, Layer.provide(FleetPage.layer(options), Cluster.memory())),
        ),
      );
    yield* Effect.provide(
      Effect.gen(function* () {
        const port = Number(new URL((yield* FleetPage).url).port);
        assert.match((yield* served({ port })).message, /port \d+: EADDRINUSE: another program/);
        assert.match(
          (yield* served({ port: 70_000 })).message,
          /cannot serve the page at .* port 70000/,
        );
        assert.match(
          (yield* served({ host: "192.0.2.1" })).message,
          /EADDRNOTAVAIL: choose an address/,
        );
      }),
      cluster,
    );
  });

  it.skipIf(noFleet ?? noBrowser)("can be used with 10,000 hosts", function* () {
    const page = yield* openBrowser;
    const name = (i: number) => `host${String(i).padStart(5, "0")}`;
    const all = Array.from({ length: 10_000 }, (_, i) => name(i));
    const hosts = all.map((host, i) => ({
      ...{
        host,
        runner: `runner${i % 3}:1`,
        state: i === 7777 ? ("failed" as const) : ("open" as const),
      },
      ...{ since: Date.now(), detail: "refused", programs: [] },
    }));
    const counts = { all: 10_000, pending: 10_000, running: 0, done: 0, failed: 0, skipped: 0 };
    const rollout = {
      ...{
        name: "upgrade",
        id: "1",
        state: { _tag: "Running" as const, batch: 5000 },
        counts,
        began: 0,
      },
      batches: all.map((host) => [{ host, status: "pending" as const }]),
    };
    const { batches: _, ...summary } = rollout;
    const many = Layer.succeed(
      FleetState,
      FleetState.of({
        runners: () =>
          Effect.succeed([0, 1, 2].map((i) => ({ address: `runner${i}:1`, healthy: true }))),
        hosts: () => Effect.succeed(hosts),
        rollouts: () => Effect.succeed(Array.from({ length: 101 }, () => summary)),
        rollout: () => Effect.succeed(rollout),
      }),
    );
    yield* Effect.provide(
      Effect.gen(function* () {
        const { url } = yield* FleetPage;
        yield* page.open(url);
        yield* page.until(`document.body.innerText.includes("shown are 200 of 10000")`);
        yield* page.click("#rollouts button");
        yield* page.until(`document.body.innerText.includes("10000 batches")`);
        assert.isBelow(yield* page.evaluate<number>("document.querySelectorAll('tr').length"), 700);
        const first = "document.querySelector('#hosts tbody td').innerText";
        assert.equal(yield* page.evaluate(first), "host07777", "what failed is the first");
        yield* page.click("#search");
        yield* page.type("host01234");
        yield* page.until(`${first} === "host01234"`);
        const { body } = yield* ask(`${url}&name=upgrade&id=1`.replace("/?", "/state.json?"));
        assert.isBelow(body.length, 200_000);
        assert.deepEqual(page.problems, []);
      }),
      FleetPage.layer().pipe(Layer.provide(many), Layer.provide(logger)),
    );
  });
});
