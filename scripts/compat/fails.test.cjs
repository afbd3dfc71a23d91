/* Tests of a user of Jest, all of which fail. */
const { spawnSync } = require("node:child_process");
const { mock } = require("@rsyscall/mock/jest");

const sh = (m, script) => spawnSync("/bin/sh", ["-c", script], { env: m.env, encoding: "utf8" });

test("a rule that was not followed", async () => {
  const m = await mock();
  m.git("push").once();
  sh(m, "true");
});

test("an error of its own too", async () => {
  const m = await mock();
  m.curl("y");
  sh(m, "curl x");
  expect(1).toBe(2);
});

describe("a mock of all tests", () => {
  let m;
  beforeAll(async () => {
    m = await mock();
    m.git("push");
  });
  test("that is called wrongly", () => {
    sh(m, "git pull");
  });
  test("that is not (passes)", () => {
    sh(m, "git push");
  });
});
