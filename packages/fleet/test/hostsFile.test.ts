import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { HostsFileError, parseHosts, readHosts } from "@rsyscall/fleet";
import { it, tempDirectory } from "@rsyscall/harness";
import { Effect } from "effect";
import { assert, describe } from "vitest";

const parse = (text: string | Uint8Array, file = "hosts") =>
  Effect.map(parseHosts([{ file, text }]), (hosts) => Object.fromEntries(hosts));

const problems = (text: string | Uint8Array) =>
  Effect.map(Effect.flip(parse(text)), ({ message }) => message.split("\n"));

describe("a hosts file", () => {
  it("has a host on each line, with its name and its options", function* () {
    const text = [
      "# our hosts",
      "web1",
      "  deploy@10.0.0.1  # the old one",
      "",
      "ssh://deploy@host:2222",
      "deploy@[::1]",
      "CORP\\user@host",
      "db = deploy@10.0.0.9 -p 2222 -o 'ProxyCommand=nc -X 5 %h %p'",
      "db2=web2",
      "pod = !kubectl exec -i pod/web-1 -c 'the app' --",
      "fe80::1%eth0 -o X=Y",
    ].join("\n");
    assert.deepEqual(yield* parse(text), {
      web1: { ssh: "web1", options: [] },
      "deploy@10.0.0.1": { ssh: "deploy@10.0.0.1", options: [] },
      "ssh://deploy@host:2222": { ssh: "ssh://deploy@host:2222", options: [] },
      "deploy@[::1]": { ssh: "deploy@[::1]", options: [] },
      "CORP\\user@host": { ssh: "CORP\\user@host", options: [] },
      db: {
        ssh: "deploy@10.0.0.9",
        options: ["-p", "2222", "-o", "ProxyCommand=nc -X 5 %h %p"],
      },
      db2: { ssh: "web2", options: [] },
      pod: { command: ["kubectl", "exec", "-i", "pod/web-1", "-c", "the app", "--"] },
      "fe80::1%eth0": { ssh: "fe80::1%eth0", options: ["-o", "X=Y"] },
    });
  });

  it("keeps the order, and may be as of Windows", function* () {
    const text = new TextEncoder().encode("\ufeffb\r\n\r\na # x\r\nc");
    const hosts = yield* parseHosts([{ file: "hosts", text }]);
    assert.deepEqual([...hosts.keys()], ["b", "a", "c"]);
  });

  it("has names that JavaScript has for something else", function* () {
    const hosts = yield* parseHosts([{ file: "hosts", text: "__proto__\nconstructor" }]);
    assert.deepEqual([...hosts.keys()], ["__proto__", "constructor"]);
  });

  it("may not have a host twice: both lines are named, in all files", function* () {
    assert.deepEqual(yield* problems("a\nb\na = x\n"), [
      "hosts:3: the host a is on line 1 already: remove one of them, or give one another name (NAME = ...)",
    ]);
    const two = parseHosts([
      { file: "one", text: "a" },
      { file: "two", text: "b\na" },
    ]);
    assert.match((yield* Effect.flip(two)).message, /^two:2: the host a is in one, line 1 already/);
  });

  it("is refused in words, with file and line", function* () {
    const cases: ReadonlyArray<readonly [string, RegExp]> = [
      ["-oProxyCommand touch", /^hosts:1: -oProxyCommand begins with "-", and ssh would/],
      ["-o = x", /^hosts:1: -o begins with "-"/],
      ["a = -oProxyCommand=x", /^hosts:1: -oProxyCommand=x: a name that begins with "-"/],
      ["user@-x", /^hosts:1: user@-x: a name that begins with "-"/],
      ["ssh://-x", /^hosts:1: ssh:\/\/-x: a name that begins with "-"/],
      ["a@", /^hosts:1: a@ is no destination: write user@host/],
      ["$(id)", /^hosts:1: \$\(id\) has "\$" in it, which no host has/],
      ["x;id@h", /^hosts:1: x;id@h has ";" in it/],
      ["web\u001b[31m", /^hosts:1: has a control character: web\\x1b\[31m$/],
      ["web\u0000", /^hosts:1: has a control character: web\\0$/],
      [
        "web\u202e",
        /^hosts:1: the name web\\u202e has a space, or a character that is not printed/,
      ],
      [
        "a b",
        /^hosts:1: b behind a is no option of ssh: write each host on a line of its own, and/,
      ],
      ["a -p 22 b", /^hosts:1: b behind a is no option of ssh/],
      ["a -vp22 -o X=y -4 b", /^hosts:1: b behind a is no option of ssh/],
      ["a -- b", /^hosts:1: -- behind a is no option of ssh/],
      ["a = 'x", /^hosts:1: a quote has no end$/],
      ["a =", /^hosts:1: the name a has no destination: write a = user@host$/],
      ["a = # x", /^hosts:1: the name a has no destination/],
      ["!kubectl", /^hosts:1: a command has no name: write NAME = !COMMAND$/],
      ["a = !", /^hosts:1: a command is missing behind the !$/],
      ["''", /^hosts:1: the name of the host is empty$/],
      ["a".repeat(256), /^hosts:1: the name has more than 255 characters$/],
      [`a ${"-v ".repeat(2000)}`, /^hosts:1: has more than 4096 characters$/],
      ["", /^hosts: has no hosts: write one on each line/],
      ["# none\n\n", /^hosts: has no hosts/],
    ];
    for (const [text, message] of cases) {
      const [first = "", ...others] = yield* problems(text);
      assert.match(first, message);
      assert.deepEqual(others, [], text);
    }
  });

  it("must be UTF-8: the line is named", function* () {
    const bytes = Buffer.concat([Buffer.from("a\nb"), Buffer.from([0xff]), Buffer.from("\nc\n")]);
    assert.deepEqual(yield* problems(bytes), ["hosts:2: is not UTF-8"]);
  });

  it("of 10,000 lines is read fast, and all errors are told, in a bounded message", function* () {
    const lines = Array.from({ length: 10_000 }, (_, i) => `h${i} = user@host${i} -p 22 # ${i}`);
    const begun = performance.now();
    const hosts = yield* parseHosts([{ file: "hosts", text: lines.join("\n") }]);
    assert.equal(hosts.size, 10_000);
    const error = yield* Effect.flip(
      parseHosts([{ file: "hosts", text: [...lines, ...lines].join("\n") }]),
    );
    assert.isBelow(performance.now() - begun, 1000);
    assert.equal(error.problems.length, 10_000);
    assert.equal(error.problems[9_999]?.line, 20_000);
    assert.equal(error.message.split("\n").length, 21);
    assert.match(error.message, /\nand 9980 more problems$/);
  });

  it("has no line whose quotes take long", function* () {
    const begun = performance.now();
    for (const text of [`a ${'"x'.repeat(2001)}`, `a ${"'".repeat(4001)}`, `${" ".repeat(4000)}'`])
      assert.match((yield* problems(text)).join(), /quote has no end/);
    assert.isBelow(performance.now() - begun, 500);
  });
});

describe("the files", () => {
  it("are read, and what cannot be read is told", function* () {
    const directory = yield* tempDirectory;
    writeFileSync(`${directory}/a`, "web1\n");
    writeFileSync(`${directory}/b`, "web2");
    mkdirSync(`${directory}/d`);
    const hosts = yield* readHosts([`${directory}/a`, `${directory}/b`, `${directory}/a`]);
    assert.deepEqual([...hosts.keys()], ["web1", "web2"]);
    const message = (path: string) =>
      Effect.map(Effect.flip(readHosts([path])), (error) => {
        assert.instanceOf(error, HostsFileError);
        return error.message;
      });
    assert.equal(
      yield* message(`${directory}/d`),
      `${directory}/d: is a directory: give the file with the hosts`,
    );
    assert.match(yield* message(`${directory}/none`), /none: cannot be read: ENOENT/);
    assert.match(yield* message("/dev/zero"), /zero: has more than 16 MiB: is it a list of hosts/);
  });

  it("may be stdin", function* () {
    yield* Effect.void;
    const program = `
      import { readHosts } from "@rsyscall/fleet";
      import { Effect } from "effect";
      console.log(String([...(await Effect.runPromise(readHosts(["-"]))).keys()]));`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      cwd: new URL("..", import.meta.url),
      input: "web1\nweb2\n",
      encoding: "utf8",
    });
    assert.equal(stdout, "web1,web2\n", stderr);
  });
});
