/* Tests of a user of node:test, for each kind of module by which the package is loaded. */
const assert = require("node:assert/strict");
const { execFile, execFileSync } = require("node:child_process");
const { test } = require("node:test");
const { promisify } = require("node:util");

module.exports = (mock) => {
  test("a mock that the end of the test closes", async (t) => {
    const m = await mock();
    t.after(() => m.close());
    m.git("push").once().reply("pushed\n");
    assert.equal(execFileSync("git", ["push"], { env: m.env, encoding: "utf8" }), "pushed\n");
    assert.deepEqual(m.git.calls[0].argv, ["git", "push"]);
  });

  for (const name of ["one", "two", "three"])
    test(`beside others: ${name}`, { concurrency: true }, async (t) => {
      const m = await mock();
      t.after(() => m.close());
      m.who().once().reply(name);
      assert.equal(execFileSync("who", { env: m.env, encoding: "utf8" }), name);
    });

  test("a function as a reply", async (t) => {
    const m = await mock();
    t.after(() => m.close());
    m.cat().reply(async ({ args, stdin }) => `${args} ${await stdin.text()}`);
    const { stdout } = await promisify(execFile)("sh", ["-c", "echo x | cat y"], { env: m.env });
    assert.equal(stdout, "y x\n");
  });

  test("timers of the test", async (t) => {
    const m = await mock();
    t.after(() => m.close());
    t.mock.timers.enable({ apis: ["setTimeout"] });
    m.curl();
    const next = m.curl.next();
    execFileSync("curl", { env: m.env });
    assert.equal((await next).program, "curl");
  });
};
