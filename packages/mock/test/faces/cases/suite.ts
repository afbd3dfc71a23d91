import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { mock } from "@rsyscall/mock/vitest";
import { describe, expect, it } from "vitest";

const run = promisify(execFile);

/** A quarter of a suite of 200 tests that each mock two programs, each by a mock of its own. */
export const suite = (worker: string) =>
  describe("a suite", () => {
    for (let i = 0; i < 50; i++)
      it(`${worker} ${i}`, async () => {
        const [first, second] = await Promise.all([mock(), mock()]);
        first.git("push").once().reply(`${worker} ${i}\n`);
        second.ssh("host").once().reply({ status: 3 });
        const env = { ...first.env, PATH: `${second.directory}/bin:${first.path}` };
        const script = "git push; ssh host; echo $?";
        const { stdout } = await run("sh", ["-c", script], { env });
        expect(stdout).toBe(`${worker} ${i}\n3\n`);
      });
  });
