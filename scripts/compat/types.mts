/* A program of a user, for its types alone. */
import { any, type CallRecord, end, type Mock, mock, pass, rest } from "@rsyscall/mock";
import { test, mock as verified } from "@rsyscall/mock/vitest";
import { expect } from "vitest";

const run = async (): Promise<void> => {
  const m: Mock = await mock({ path: "hermetic", allow: ["sh"] });
  m.git("push", /x/, any, (word) => word !== "", rest, end)
    .once()
    .reply("text\n");
  m.git.otherwise(pass);
  m["apt-get"]("install").reply({ stderr: "no\n", status: 100 }).thenReply(0);
  m("some-program").reply(1);
  m.program("x").reply(new Uint8Array(1));
  const call = await m.sendmail.next({ timeout: 10 });
  const status: number | undefined = call.status;
  await m.close();
  const calls: ReadonlyArray<CallRecord> = status === 0 ? m.calls : m.git.calls;
  expect(calls).toEqual([]);
};

test("types", run);

test("matchers", async ({ mock }) => {
  const m = await mock({ changePath: true });
  const other = await verified();
  expect(m.git).toHaveBeenCalledWith("push");
  expect(m.git).toHaveBeenCalledIn("/");
  expect(m.git).not.toHaveBeenCalledWithEnv({ HOME: /x/, OTHER: undefined });
  expect(other.sendmail).toHaveReceivedStdin(/Subject/);
});
