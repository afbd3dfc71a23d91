/* A test file of a user. Every test in it fails, and says why. */
import { execFile, spawnSync } from "node:child_process";
import { type Mock, mock } from "@rsyscall/mock/vitest";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const sh = (m: Mock, script: string) =>
  spawnSync("/bin/sh", ["-c", script], { env: m.env, encoding: "utf8" });

test("a rule that was not followed", async () => {
  const m = await mock();
  m.git("push").once();
  m.git("status");
  sh(m, "git status");
});

test("an unexpected call", async () => {
  const m = await mock();
  m.git("push");
  sh(m, "git pull");
});

test("an error of its own too", async () => {
  const m = await mock();
  sh(m, "git() { :; }; curl x");
  m.curl("y");
  sh(m, "curl x");
  expect(1).toBe(2);
});

test("await using, and an error of its own", async () => {
  await using m = await mock();
  m.git("push").once();
  expect(1).toBe(2);
});

test("verified by itself", async () => {
  const m = await mock();
  m.git("push").once();
  m.verify();
});

test("closed by itself", async () => {
  const m = await mock();
  m.git("push").once();
  await m.close();
});

test("no such call", async () => {
  const m = await mock();
  m.git();
  sh(m, "git push 'a b'");
  expect(m.git).toHaveBeenCalledWith("pull");
});

test("matchers", async () => {
  const m = await mock();
  m.git();
  sh(m, "cd /; KIND=x git push 'a b'; cd tmp; git");
  expect.soft(m.git).toHaveBeenCalledIn("/home");
  expect.soft(m.git).toHaveBeenCalledWithEnv({ KIND: "y", NO_SUCH: /z/ });
  expect.soft(m.git).not.toHaveBeenCalledIn("/");
  expect.soft(m.git).toHaveReceivedStdin("x");
  expect.soft(m.ssh).toHaveBeenCalledIn("/");
});

test("an expectation in a function", async () => {
  const m = await mock();
  m.git().reply(({ args }) => {
    expect(args).toEqual(["push"]);
  });
  await new Promise((resolve) => execFile("git", ["pull"], { env: m.env }, resolve));
});

test.concurrent("beside others", async () => {
  await mock();
});

describe("a shared mock", () => {
  let m: Mock;
  afterAll(() => {
    console.log(`removed: ${m.directory}`);
  });
  beforeAll(async () => {
    m = await mock();
    m.git("push").once();
    m.git("status");
  });
  test("of which one test makes a wrong call", () => {
    sh(m, "git rebase");
  });
  test("of which one test does not (passes)", () => {
    sh(m, "git status");
  });
});
