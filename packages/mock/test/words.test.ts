import { any, end, parsePattern, parseRule, pass, rest, spy } from "@rsyscall/mock";
import { describe, expect, test } from "vitest";
import { nearestName } from "../src/nearestName.ts";
import { matches } from "../src/words.ts";

const argsOf = (text: string) => parsePattern(text).args;
const messageOf = (text: string, parse: (text: string) => unknown = parseRule): string => {
  try {
    parse(text);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`${text} was not refused`);
};

describe("patterns", () => {
  test("words are split as by a shell", () => {
    expect(parsePattern("git push")).toEqual({ program: "git", args: ["push"] });
    expect(parsePattern("  git\tpush  ")).toEqual({ program: "git", args: ["push"] });
    expect(argsOf("git commit -m 'two words' \"and \\\"these\\\"\" a\\ b '' it''s")).toEqual([
      "commit",
      "-m",
      "two words",
      'and "these"',
      "a b",
      "",
      "its",
    ]);
    expect(argsOf("printf $'a\\n\\x41\\u00e9'")).toEqual(["a\nAé"]);
    expect(parsePattern("/usr/sbin/sendmail -t").program).toBe("/usr/sbin/sendmail");
    expect(argsOf("touch a\\ ")).toEqual(["a "]);
    expect(parseRule("x:stdout=a ").reply).toEqual({ stdout: "a " });
    expect(parseRule("x=pass ").reply).toBe(pass);
    expect(parsePattern("'my prog' x").program).toBe("my prog");
  });

  test("stars, question marks and the end", () => {
    expect(argsOf("git * ? $")).toEqual([rest, any, end]);
    expect(argsOf("git '*' \\? '$' \"*\"")).toEqual(["*", "?", "$", "*"]);
    expect(argsOf("git origin/* v?.0 a.b*")).toEqual([/^origin\/.*$/su, /^v.\.0$/su, /^a\.b.*$/su]);
    expect(argsOf("git 'a*'* \\*x")).toEqual([/^a\*.*$/su, "*x"]);
    expect(argsOf("echo $HOME")).toEqual(["$HOME"]);
  });

  test("regular expressions, and paths that are none", () => {
    expect(argsOf("curl /hooks?/ /^A\\/b/i /\\d+\\.\\s/")).toEqual([/hooks?/, /^A\/b/i, /\d+\.\s/]);
    expect(argsOf("cp /usr/lib/ /etc/hosts '/tmp/' / //")).toEqual([
      "/usr/lib/",
      "/etc/hosts",
      "/tmp/",
      "/",
      "//",
    ]);
    expect(parseRule("curl /(?:a=b)/:status=7")).toMatchObject({
      pattern: { args: [/(?:a=b)/] },
      reply: { status: 7 },
    });
  });

  test("arguments with colons and equals signs", () => {
    expect(argsOf("docker run -t app:latest -e A=b http://x:80/?q=1 scp: a=b:c")).toEqual([
      "run",
      "-t",
      "app:latest",
      "-e",
      "A=b",
      /^http:\/\/x:80\/.q=1$/su,
      "scp:",
      "a=b:c",
    ]);
    expect(argsOf("x 'a:b=c' d\\:e=f --colour'=pass'")).toEqual([
      "a:b=c",
      "d:e=f",
      "--colour=pass",
    ]);
  });

  test("every program", () => {
    expect(parsePattern("*")).toEqual({ program: undefined, args: [] });
    expect(messageOf("* push")).toBe(
      "'* push': a rule for every program has no arguments: name a program, or leave the arguments out",
    );
  });

  test("calls that match", () => {
    const call = (...argv: ReadonlyArray<string>) => ({
      program: argv[0] as string,
      path: `/m/bin/${argv[0]}`,
      argv,
    });
    expect(matches(parsePattern("sendmail -t *"), call("sendmail", "-t"))).toBe(true);
    expect(matches(parsePattern("sendmail -t"), call("sendmail", "-t", "a@b"))).toBe(true);
    expect(matches(parsePattern("sendmail -t $"), call("sendmail", "-t", "a@b"))).toBe(false);
    expect(matches(parsePattern("sendmail ? $"), call("sendmail"))).toBe(false);
    expect(matches(parsePattern("git * --force $"), call("git", "push", "-q", "--force"))).toBe(
      true,
    );
    expect(matches(parsePattern("/m/bin/git"), call("git"))).toBe(true);
    expect(matches(parsePattern("/usr/bin/git"), call("git"))).toBe(false);
    expect(matches(parsePattern("*"), call("anything", "x"))).toBe(true);
  });
});

describe("replies", () => {
  test("pass, spy and deny", () => {
    expect(parseRule("git *=pass")).toEqual({
      pattern: { program: "git", args: [rest] },
      reply: pass,
      times: undefined,
    });
    expect(parseRule("git=spy")).toMatchObject({
      pattern: { program: "git", args: [] },
      reply: spy,
    });
    expect(parseRule("ssh host=deny")).toEqual({
      pattern: { program: "ssh", args: ["host"] },
      reply: { stderr: "ssh: rsyscall: this call is denied by ssh host=deny\n", status: 126 },
      times: undefined,
    });
    expect(parseRule("*=deny").pattern.program).toBeUndefined();
    expect(parseRule("git push").reply).toBeUndefined();
  });

  test("options", () => {
    expect(parseRule("sendmail -t:status=75").reply).toEqual({ status: 75 });
    expect(parseRule("docker build *:stdout=built\\n,delay=100")).toEqual({
      pattern: { program: "docker", args: ["build", rest] },
      reply: { stdout: "built\n", delay: 100 },
      times: undefined,
    });
    expect(parseRule("x:stdout=two words\\, 'a,b' \"c,\\t\"\\x41,stderr='no\\n'").reply).toEqual({
      stdout: "two words, a,b c,\tA",
      stderr: "no\\n",
    });
    // A byte, as in a shell.
    expect(parseRule("x:stdout=a\\xff\\xc3\\xa9,stderr=\\xc3\\xa9\\u00ff").reply).toEqual({
      stdout: Buffer.of(0x61, 0xff, 0xc3, 0xa9),
      stderr: "éÿ",
    });
    expect(parsePattern("x $'\\xff\\xc3\\xa9'").args).toEqual(["\udcffé"]);
    expect(parseRule("x:signal=TERM").reply).toEqual({ signal: "SIGTERM" });
    expect(parseRule("x:signal=9, stdout=").reply).toEqual({ signal: 9, stdout: "" });
    expect(parseRule("x:times=2,status=1")).toMatchObject({ times: [2, 2], reply: { status: 1 } });
    expect(parseRule("x:times=1-3").times).toEqual([1, 3]);
    expect(parseRule("x:times=1+").times).toEqual([1, Infinity]);
  });
});

describe("what is refused", () => {
  test.each([
    ["", "'': there is no program in it"],
    [" ", "' ': there is no program in it"],
    ["=pass", "=pass: there is no program in it"],
    [
      "git*",
      "'git*': git* is no name of a program: give one program, or * alone for every program",
    ],
    ["git 'a", "'git '\\''a': the quote ' at 5 does not end"],
    ['git "a\\"', '\'git "a\\"\': the quote " at 5 does not end'],
    ["git a\\", "'git a\\': it ends with a backslash: write \\\\ for one"],
    [
      "git $ a",
      "'git $ a': $ is the end of the arguments, and something follows: quote it if it is an argument: '$'",
    ],
    [
      "curl /(/",
      "'curl /(/': /(/ is no regular expression: Unterminated group; quote it if it is an argument",
    ],
    [
      "git *=pas",
      "'git *=pas': pas is no reply: did you mean pass? Quote the = if it belongs to an argument",
    ],
    [
      "git *=dney",
      "'git *=dney': dney is no reply: did you mean deny? Quote the = if it belongs to an argument",
    ],
    [
      "git *=allow",
      "'git *=allow': allow is no reply: there are pass, spy, deny. Quote the = if it belongs to an argument",
    ],
    [
      "git push:statsu=1",
      "'git push:statsu=1': statsu is no option of a reply: did you mean status? Quote the colon if it belongs to an argument",
    ],
    [
      "git push:status=256",
      "'git push:status=256': status is \"256\", and must be a whole number from 0 to 255",
    ],
    ["git push:status=1,status=2", "'git push:status=1,status=2': status is given twice"],
    [
      "git push:status=1,oops",
      "'git push:status=1,oops': \"oops\" is no option: it must be NAME=VALUE; quote a comma or a colon that belongs to a text",
    ],
    [
      "git push:signal=SIGTREM",
      "'git push:signal=SIGTREM': the signal is \"SIGTREM\", and must be a name as SIGTERM, or a number from 1 to 64: did you mean SIGTERM?",
    ],
    [
      "git push:times=3-1",
      "'git push:times=3-1': times is \"3-1\", and must be a number as 2, a range as 1-3, or 1+ for once or more",
    ],
    [
      "git push:stdout=\\q",
      "'git push:stdout=\\q': \\q is no escape: there are \\n, \\t, \\r, \\e, \\0, \\\\, \\', \\\", \\,, \\xHH and \\uHHHH",
    ],
  ])("%j", (text, message) => {
    expect(messageOf(text)).toBe(message);
  });

  test("a reply where a pattern is wanted", () => {
    expect(messageOf("git push:status=1", parsePattern)).toBe(
      "'git push:status=1': :status=1 is a reply, and a pattern has none: leave it out, or quote it",
    );
  });

  test("the nearest name", () => {
    expect(nearestName("stauts", ["stdout", "status"])).toBe("status");
    expect(nearestName("zzz", ["stdout", "status"])).toBeUndefined();
  });
});
