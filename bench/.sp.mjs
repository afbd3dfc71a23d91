import { spawn } from "node:child_process";
import { StubServer } from "@rsyscall/stub-server";
import { LocalThread } from "@rsyscall/thread";
import { mock } from "@rsyscall/mock";
import { Effect } from "effect";
import { mkdtempSync, writeFileSync } from "node:fs";
const kind = process.argv[2], rounds = Number(process.argv[3] ?? 3), N = Number(process.argv[4] ?? 400);
const dir = mkdtempSync("/tmp/sp-");
writeFileSync(`${dir}/sh`, "#!/bin/sh\necho answer\nexit 0\n", { mode: 0o755 });
const launch = (path, n, par) => new Promise((res, rej) => {
  const p = spawn("/work/main/bench/build/launch", [n, 0, par, path], { stdio: ["ignore", "pipe", "inherit"] });
  let out = ""; p.stdout.on("data", (d) => (out += d));
  p.on("close", (c) => { if (c) return rej(c); const l = out.trim().split("\n").map((x) => x.split(" ").map(Number)); const t = l.map(([, s, e]) => e - s).sort((a, b) => a - b); res({ each: (l.at(-1)[2] - l[0][1]) / l.length / 1e3, p50: t[t.length >> 1] / 1e3, p99: t[Math.floor(t.length * .99)] / 1e3 }); });
});
const go = async (path) => {
  await launch(path, 200, 4);
  for (const par of [16, 4, 1, 16, 4, 1]) {
    const rs = [], sh = []; let cpu = 0;
    for (let i = 0; i < rounds; i++) {
      const c = process.cpuUsage(); rs.push(await launch(path, N, par)); const d = process.cpuUsage(c); cpu += (d.user + d.system) / N;
      sh.push(await launch(`${dir}/sh`, N, par));
    }
    const med = (a) => a.sort((x, y) => x - y)[a.length >> 1].toFixed(0);
    console.log(kind, par, "each", med(rs.map((r) => r.each)), "sh", med(sh.map((r) => r.each)), "cpu/call", (cpu / rounds).toFixed(0), "p99", med(rs.map((r) => r.p99)), "sh p99", med(sh.map(r=>r.p99)));
  }
  process.exit(0);
};
if (kind === "mock") { const m = await mock(); m.mocked.reply("answer\n"); await go(`${m.directory}/bin/mocked`); }
else await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
  const thread = yield* LocalThread;
  const s = yield* StubServer.make(thread, dir, "reply");
  yield* Effect.forkScoped(s.serve((call) => kind === "status" ? Effect.succeed(0) : call.reply({ stdout: "answer\n" }).pipe(Effect.provide(LocalThread.layer))));
  yield* Effect.promise(() => go(`${dir}/reply`));
}).pipe(Effect.provide(LocalThread.layer))));
