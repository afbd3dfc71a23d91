import { spawnSync } from "node:child_process";
import { type Mock, mock } from "@rsyscall/mock/vitest";
import { expect, test } from "vitest";

const deploy = (m: Mock) =>
  spawnSync("sh", ["deploy.sh", "1.2"], { env: m.env, cwd: import.meta.dirname }).status;

test("a release is built, pushed, started and tagged, in this order", async () => {
  const m = await mock({ path: "hermetic", allow: ["sh"] });
  const image = [m.docker("build").once(), m.docker("push", "-q", "app:1.2").once()];
  m.inOrder(
    ...image,
    m.ssh("deploy@host").once(),
    m.git("tag", "v1.2").once(),
    m.git("push").once(),
  );
  expect(deploy(m)).toBe(0);
  expect(m.sendmail).not.toHaveBeenCalled();
});

test("a host that is down is told to the team, and nothing is tagged", async () => {
  const m = await mock({ path: "hermetic", allow: ["sh"] });
  m.docker.reply(0);
  m.ssh("deploy@host").reply({ stderr: "connection refused\n", status: 255 });
  m.sendmail("-t", "ops@example.com")
    .where({ stdin: /^Subject: 1.2 was not deployed$/m })
    .once();
  expect(deploy(m)).toBe(1);
  expect(m.git).not.toHaveBeenCalled();
});
