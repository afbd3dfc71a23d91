import { StubServer } from "@rsyscall/stub-server"; import { LocalThread } from "@rsyscall/thread"; import { Effect } from "effect"; import { mkdtempSync } from "node:fs"; import { execFile } from "node:child_process";
const dir = mkdtempSync("/tmp/sp-");
await Effect.runPromise(Effect.scoped(Effect.gen(function* () { const s = yield* StubServer.make(yield* LocalThread, dir, "reply"); yield* Effect.forkScoped(s.serve((c) => c.reply({ stdout: "answer\n" })));
 yield* Effect.promise(() => new Promise((r) => execFile("strace", ["-T", "-o", "/tmp/sp/stub", `${dir}/reply`], r))); })).pipe(Effect.provide(LocalThread.layer)));
process.exit(0)
