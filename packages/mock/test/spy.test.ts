import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasEnded, missing } from "@rsyscall/harness";
import { assert, describe, it, vi } from "vitest";
import { spy } from "../src/index.ts";
import { directory, ended, make, programs, run, sh, text } from "./mocks.ts";

const env = (bin: string) => ({ ...process.env, PATH: `${bin}:${process.env["PATH"]}` });

/** A mock that spies on a program that is a script. */
const spied = async (script: string, options?: { readonly limit: number }) => {
  const m = await make({ env: env(programs({ tool: script })) });
  m.tool.reply(options === undefined ? spy : spy(options));
  return m;
};

describe("a spy", () => {
  it("records what a program reads and writes, and how it ends", async () => {
    const m = await spied('read line; echo "out $line $1"; echo err >&2; exit 7');
    const result = sh(m, "printf 'one\\ntwo\\n' | tool 'an argument'");
    assert.deepEqual(result, { status: 7, stdout: "out one an argument\n", stderr: "err\n" });
    const [call] = m.tool.calls;
    assert.deepEqual(call?.argv, ["tool", "an argument"]);
    assert.equal(text(call?.stdin), "one\n");
    assert.equal(text(call?.stdout), "out one an argument\n");
    assert.equal(text(call?.stderr), "err\n");
    assert.equal(call?.status, 7);
    assert.deepEqual(call?.cut, []);
    assert.isAbove(call?.duration ?? 0, 0);
  });

  it("leaves the input that a program has not read for the next one, on a pipe, a socket and a file", async () => {
    const m = await spied('read line; echo "[$line]"');
    const file = join(directory(), "input");
    writeFileSync(file, "a\nb\nc\n");
    const loop = "while read line; do echo $line; tool; done";
    const expected = { status: 0, stdout: "a\n[b]\nc\n[]\n", stderr: "" };
    assert.deepEqual(sh(m, `cat ${file} | { ${loop}; }`), expected);
    // Node's pipes are sockets.
    assert.deepEqual(sh(m, loop, { input: "a\nb\nc\n" }), expected);
    assert.deepEqual(sh(m, `{ ${loop}; } < ${file}`), expected);
    assert.deepEqual(
      m.tool.calls.map(({ stdin }) => text(stdin)),
      ["b\n", "", "b\n", "", "b\n", ""],
    );
  });

  it("records binary data, and more than a pipe holds", async () => {
    const m = await spied("exec cat");
    const input = Buffer.alloc(300_000, Uint8Array.of(0, 255, 10, 128, 7));
    const { stdout } = spawnSync("tool", [], { env: m.env, input, maxBuffer: 1e6 });
    assert.isTrue(stdout.equals(input));
    assert.isTrue(input.equals(m.tool.calls[0]?.stdin as Uint8Array));
    assert.isTrue(input.equals(m.tool.calls[0]?.stdout as Uint8Array));
    assert.isTrue(m.tool.calls[0]?.readAll);
  });

  it("records up to a limit, and says what was cut; the caller gets all", async () => {
    const m = await spied("head -c 5000 /dev/zero; echo err >&2", { limit: 1000 });
    assert.equal(sh(m, "tool | wc -c").stdout.trim(), "5000");
    const [call] = m.tool.calls;
    assert.deepEqual(call?.cut, ["stdout"]);
    assert.lengthOf(call?.stdout ?? [], 1000);
    assert.equal(text(call?.stderr), "err\n");
    const small = await spied("seq 100", { limit: 10 });
    sh(small, "tool | wc -c");
    assert.equal(text(small.tool.calls[0]?.stdout), "1\n2\n3\n4\n5\n");
  });

  it("keeps the order of chunks, with their time", async () => {
    const m = await spied(
      "sleep .05; for i in 1 2 3; do echo o$i; read line; echo e$i >&2; read line; done",
    );
    const child = spawn("tool", [], { env: m.env });
    // It writes the next one when the one before has come. After the last it reads no more.
    child.stdin.on("error", () => {});
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", () => child.stdin.write("\n"));
    await once(child, "close");
    const chunks = m.tool.calls[0]?.chunks ?? [];
    assert.deepEqual(
      chunks.map(({ fd, bytes }) => `${fd} ${text(bytes)}`),
      [1, 2, 3].flatMap((i) => [`1 o${i}\n`, `2 e${i}\n`]),
    );
    for (const [i, { time }] of chunks.entries()) assert.isAtLeast(time, chunks[i - 1]?.time ?? 0);
    // Since the program was started.
    assert.isAtLeast(chunks[0]?.time ?? 0, 50);
  });

  it("keeps the order where stdout and stderr are one", async () => {
    const m = await spied("for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done");
    const expected = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => `o${i}\ne${i}\n`).join("");
    assert.equal(sh(m, "tool 2>&1 | cat").stdout, expected);
    assert.equal(text(m.tool.calls[0]?.stdout), expected);
    assert.isUndefined(m.tool.calls[0]?.stderr);
  });

  it("lets a program write to a file itself, and records what it has written", async () => {
    const m = await spied("echo $#; echo err >&2");
    const file = join(directory(), "out");
    assert.equal(
      sh(m, `echo before > ${file}; tool >> ${file}; tool a > ${file}.2; cat ${file} ${file}.2`)
        .stdout,
      "before\n0\n1\n",
    );
    assert.deepEqual(
      m.tool.calls.map(({ stdout }) => text(stdout)),
      ["0\n", "1\n"],
    );
    assert.equal(sh(m, `tool > ${file} 2>&1; cat ${file}`).stdout, "0\nerr\n");
    assert.equal(text(m.tool.calls[2]?.stdout), "0\nerr\n");
    assert.equal(sh(m, "tool > /dev/null 2> /dev/null").status, 0);
    assert.equal(text(m.tool.calls[3]?.stderr), "err\n");
  });

  it("has a program die of SIGPIPE when the reader has gone", async () => {
    const m = await spied("exec yes");
    assert.equal(sh(m, "{ tool; kill -l $? >&2; } | head -1").stderr, "PIPE\n");
    assert.equal(m.tool.calls[0]?.signal, 13);
    // It need not write to notice: tail looks.
    const file = join(directory(), "log");
    writeFileSync(file, "line\n");
    m.tail.reply(spy);
    assert.equal(sh(m, `tail -f ${file} | head -1`).stdout, "line\n");
  });

  it("has a program wait for a slow reader", async () => {
    const m = await spied("head -c 400000 /dev/zero; echo written >&2");
    const child = spawn("tool", [], { env: m.env, stdio: ["ignore", "pipe", "pipe"] });
    let written = false;
    child.stderr.on("data", () => {
      written = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.isFalse(written);
    let size = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
    });
    assert.deepEqual(await once(child, "close"), [0, null]);
    assert.equal(size, 400_000);
    assert.isTrue(written);
  });

  it("ends as the program ends, by its signal too", async () => {
    const m = await spied('kill -$1 $$; echo "not dead"');
    for (const signal of ["TERM", "KILL", "USR1", "SEGV"])
      assert.deepEqual(ended("tool", [signal], { env: m.env, cwd: directory() }), {
        status: `SIG${signal}`,
        stdout: "",
        stderr: "",
      });
    assert.deepEqual(
      m.tool.calls.map(({ signal, status }) => [signal, status]),
      [
        [15, undefined],
        [9, undefined],
        [10, undefined],
        [11, undefined],
      ],
    );
  });

  it("passes signals on, and the program is killed with its caller's process", async () => {
    const m = await spied(
      'trap "echo got it; exit 3" TERM; trap "echo usr1" USR1; echo $$; while :; do sleep .01; done',
    );
    const child = spawn("tool", [], { env: m.env, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += String(chunk);
    });
    await once(child.stdout, "data");
    child.kill("SIGUSR1");
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "close"), [3, null]);
    assert.match(output, /^\d+\nusr1\ngot it\n$/);
    const killed = spawn("tool", [], { env: m.env, stdio: ["ignore", "pipe", "inherit"] });
    const [first] = (await once(killed.stdout, "data")) as [Buffer];
    killed.kill("SIGKILL");
    assert.deepEqual(await once(killed, "close"), [null, "SIGKILL"]);
    assert.isTrue(hasEnded(Number(String(first))));
    await vi.waitUntil(() => m.tool.calls[1]?.outcome === "killed");
    assert.match(text(m.tool.calls[1]?.stdout) ?? "", /^\d+\n$/);
  });

  it("stops and goes on with the program, as a shell's job", async () => {
    const m = await spied("echo ready; read line; echo got $line; exit 5");
    // Job control of a shell, and a signal for the process alone. bash leaves a loop in which it sees a job
    // stop: a subshell waits, which has no jobs.
    const script = `
      set -m
      mkfifo "$1/in"
      tool < "$1/in" & exec 3> "$1/in"
      until read started < "$1/out" 2>&-; do sleep .01; done
      kill -$2 %1
      (until read -r _ _ state _ < /proc/$!/stat; [ $state = T ]; do sleep .01; done)
      jobs -l
      kill -CONT %1
      echo line >&3
      wait %1
      echo $?`;
    for (const signal of ["TSTP", "STOP"]) {
      const at = directory();
      const out = openSync(join(at, "out"), "w");
      const { stdout } = ended(
        "bash",
        ["-c", script.replace("tool <", `tool > ${at}/out <`), "bash", at, signal],
        {
          env: m.env,
        },
      );
      closeSync(out);
      assert.match(stdout, /Stopped.*\n5\n$/s, signal);
      assert.equal(readFileSync(join(at, "out"), "utf8"), "ready\ngot line\n");
    }
  });

  it("gives the caller its end while a process that the program has left still writes", async () => {
    const m = await spied("{ sleep .2; echo late; } & echo early; exit 4");
    const child = spawn("tool", [], { env: m.env, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += String(chunk);
    });
    assert.deepEqual(await once(child, "exit"), [4, null]);
    assert.equal(output, "early\n");
    await once(child, "close");
    assert.equal(output, "early\nlate\n");
  });

  it.skipIf(missing("script"))("leaves a terminal to the program", async () => {
    const m = await spied("test -t 0 && test -t 1 && echo terminal");
    const { stdout } = sh(m, "script -qec tool /dev/null < /dev/null");
    assert.equal(stdout.trim(), "terminal");
    assert.isUndefined(m.tool.calls[0]?.stdout);
    assert.equal(m.tool.calls[0]?.status, 0);
  });

  it("answers many at once", async () => {
    const m = await spied("cat; echo $1");
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        run("/bin/sh", ["-c", `echo in | tool ${i}`], { env: m.env }),
      ),
    );
    assert.deepEqual(
      results.map(({ stdout }) => stdout),
      results.map((_, i) => `in\n${i}\n`),
    );
  });
});
