import { getpid } from "@rsyscall/near";
import { assert } from "vitest";
import { inEachKind } from "./kinds.ts";

inEachKind((it) => {
  it("getpid(2) says which process it is", function* ({ task }) {
    assert.equal(yield* getpid(task.sysif), task.pid);
  });
});
