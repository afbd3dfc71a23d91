/* Tests of a user of node:test, all of which fail. */
import { test } from "node:test";
import { mock } from "@rsyscall/mock";

test("a rule that was not followed", async (t) => {
  const m = await mock();
  t.after(() => m.close());
  m.git("push").once();
});
