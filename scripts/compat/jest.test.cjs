/* Tests of a user of Jest. */
const { execFile, execFileSync, spawnSync } = require("node:child_process");
const { existsSync } = require("node:fs");
const { promisify } = require("node:util");
const plain = require("@rsyscall/mock");
const { mock, pass } = require("@rsyscall/mock/jest");

const sh = (m, script) => spawnSync("/bin/sh", ["-c", script], { env: m.env, encoding: "utf8" });

let last;

test("the matchers of Jest and ours", async () => {
  const m = await mock();
  last = m.directory;
  m.git("push").once().reply("pushed\n");
  expect(sh(m, "cd /; KIND=x git push").stdout).toBe("pushed\n");
  expect(m.git).toHaveBeenCalled();
  expect(m.git).toHaveBeenCalledTimes(1);
  expect(m.git).toHaveBeenCalledWith("push");
  expect(m.git).toHaveBeenLastCalledWith(expect.stringMatching(/^pu/));
  expect(m.git).toHaveBeenNthCalledWith(1, "push");
  expect(m.git).not.toHaveBeenCalledWith("pull");
  expect(m.ssh).not.toHaveBeenCalled();
  expect(m.git).toHaveBeenCalledIn("/");
  expect(m.git).toHaveBeenCalledWithEnv({ KIND: "x", NO_SUCH: undefined });
  expect(() => expect(m.git).toHaveBeenCalledWith("pull")).toThrow(/git.*"pull".*"push"/s);
  expect(() => expect(m.git).toHaveBeenCalledIn("/home")).toThrow('its calls:\n  git push: in "/"');
  expect(m.git.calls[0].argv).toStrictEqual(["git", "push"]);
  expect(m.git.calls[0].env).toStrictEqual({ ...m.git.calls[0].env });
});

test("the mock of a test is closed after it", () => {
  expect(existsSync(last)).toBe(false);
});

test("classes of other realms", async () => {
  const m = await mock();
  m("a", /^x$/).reply(new Uint8Array([0, 255]));
  m("b", (word) => word === "x").reply(Buffer.from("b"));
  expect([...execFileSync("a", ["x"], { env: m.env })]).toEqual([0, 255]);
  expect((await promisify(execFile)("b", ["x"], { env: m.env })).stdout).toBe("b");
});

test("a function as a reply", async () => {
  const m = await mock();
  m.cat().reply(async ({ args, stdin }) => `${args} ${await stdin.text()}`);
  const run = promisify(execFile)("sh", ["-c", "echo x | cat y"], { env: m.env });
  expect((await run).stdout).toBe("y x\n");
});

test("PATH of this process, of which Jest shows a copy", async () => {
  const before = process.env.PATH;
  const m = await mock({ changePath: true });
  m("some-program").reply("mocked");
  expect(execFileSync("some-program", { encoding: "utf8" })).toBe("mocked");
  await m.close();
  expect(process.env.PATH).toBe(before);
  expect(() => execFileSync("some-program", { stdio: "ignore" })).toThrow("ENOENT");
});

test("fake timers", async () => {
  jest.useFakeTimers();
  try {
    const m = await mock();
    m.curl().reply("ok");
    const next = m.curl.next();
    execFileSync("curl", { env: m.env });
    expect((await next).argv).toEqual(["curl"]);
    await expect(m.curl.next({ timeout: 10 })).rejects.toThrow("was not called within 10 ms");
  } finally {
    jest.useRealTimers();
  }
});

test("the real program", async () => {
  const m = await mock();
  m.uname.otherwise(pass);
  expect(sh(m, "uname -s").stdout).toBe("Linux\n");
});

test("the plain mock", async () => {
  const m = await plain.mock();
  m.git("push").once();
  await expect(m.close()).rejects.toThrow(plain.MockError);
});

describe("a mock of all tests", () => {
  let m;
  beforeAll(async () => {
    m = await mock();
    m.who().times(2);
  });
  for (const count of [1, 2])
    test(`is the same: ${count}`, () => {
      sh(m, "who");
      expect(m.who).toHaveBeenCalledTimes(count);
    });
});
