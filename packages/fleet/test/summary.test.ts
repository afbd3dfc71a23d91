import { CommandError, HostError, RunSummary } from "@rsyscall/fleet";
import { it } from "@rsyscall/harness";
import { Stream } from "effect";
import { assert, describe } from "vitest";

const nothing = { stdout: new Uint8Array(0), stderr: new Uint8Array(0) };
const failed = (status: number) =>
  new CommandError({
    status,
    ...nothing,
    ...{ stdoutCut: 0, stderrCut: 0, detail: `exited with status ${status}` },
  });
const refused = (host: string) =>
  new HostError({
    host,
    problem: "Open",
    error: "SshError",
    detail: "Permission denied\u001b[31m",
    mayHaveRun: false,
  });

describe("the summary of a run", () => {
  it("has numbers, and the hosts of each kind of failure", function* () {
    const hosts = ["a", "b", "c", "d", "e", "f"];
    const summary = yield* RunSummary.of(
      hosts,
      Stream.make(
        { _tag: "Started", host: "a" } as const,
        { _tag: "Started", host: "b" } as const,
        { _tag: "Started", host: "c" } as const,
        {
          ...({ _tag: "Done", host: "a", duration: 1 } as const),
          value: { ...nothing, stdoutCut: 0, stderrCut: 0, outputOpen: true },
        },
        { _tag: "Failed", host: "b", error: failed(3), duration: 2.4 } as const,
        { _tag: "Failed", host: "c", error: refused("c"), duration: 3 } as const,
        { _tag: "Skipped", host: "d" } as const,
        { _tag: "Started", host: "e" } as const,
      ),
    );
    assert.match(
      String(summary),
      /^6 hosts in 0\.\d s: 1 done, 2 failed, 1 skipped, 1 not finished, 1 not begun\n/,
    );
    assert.deepEqual(String(summary).split("\n").slice(1), [
      "failed: b: exited with status 3",
      "failed: c: Permission denied\\x1b[31m",
      "done: a: its output was still open after 1 s: what came later is not shown",
      "skipped, because others have failed: d",
      "not finished: e",
      "not begun: f",
    ]);
    const { duration, ...rest } = JSON.parse(JSON.stringify(summary));
    assert.isNumber(duration);
    assert.deepEqual(rest, {
      hosts: 6,
      done: 1,
      failed: [
        { host: "b", error: "CommandError", detail: "exited with status 3", duration: 2 },
        { host: "c", error: "SshError", detail: "Permission denied\u001b[31m", duration: 3 },
      ],
      skipped: ["d"],
      unfinished: ["e"],
      notBegun: ["f"],
    });
    assert.isFalse(summary.isDone);
  });

  it("is short for any number of hosts", function* () {
    yield* [];
    const hosts = Array.from({ length: 10_000 }, (_, i) => `h${i}`);
    const summary = new RunSummary(hosts);
    const begun = performance.now();
    for (const host of hosts) summary.add({ _tag: "Failed", host, error: failed(1), duration: 1 });
    assert.match(
      String(summary),
      /^10000 hosts in [\d.]+ s: 10000 failed\nfailed: h0, h1, .*, h9 and 9990 more: exited with status 1$/,
    );
    const various = new RunSummary(hosts);
    for (const host of hosts)
      various.add({ _tag: "Failed", host, error: new Error(host), duration: 1 });
    assert.match(String(various), /\nand 9980 more kinds of failures$/);
    assert.isBelow(performance.now() - begun, 1000);
  });
});
