import { O, POLL } from "@rsyscall/abi";
import { it } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { Memfd, open, pipe, pollNow, Socket, UseAfterFreeError } from "../src/index.ts";

describe("pollNow", () => {
  it("gives those of the events that are there, and no others", function* () {
    const { task } = yield* LocalThread;
    const [first, second] = yield* Socket.pair(task);
    assert.equal(yield* pollNow(first, POLL.IN), 0);
    assert.equal(yield* pollNow(first, POLL.IN | POLL.OUT), POLL.OUT);
    yield* second.writeAllText("x");
    assert.equal(yield* pollNow(first, POLL.IN | POLL.OUT), POLL.IN | POLL.OUT);
    assert.equal(yield* pollNow(first, POLL.OUT), POLL.OUT);
  });

  it("tells of a hang-up and an error although nobody asks", function* () {
    const { task } = yield* LocalThread;
    const [reader, writer] = yield* pipe(task);
    const [lonely, toNobody] = yield* pipe(task);
    yield* writer.close();
    assert.equal(yield* pollNow(reader, 0), POLL.HUP);
    yield* lonely.close();
    assert.equal(yield* pollNow(toNobody, 0), POLL.ERR);
  });

  it("finds a file always ready, and a descriptor without a file not there", function* () {
    const { task } = yield* LocalThread;
    const file = yield* open(task, "/proc/self/exe", O.RDONLY);
    assert.equal(yield* pollNow(file, POLL.IN), POLL.IN);
    const path = yield* open(task, "/", O.PATH);
    assert.equal(yield* pollNow(path, POLL.IN), POLL.NVAL);
    const memfd = yield* Memfd.make(task, "closed");
    yield* memfd.close();
    assert.instanceOf(yield* Effect.flip(pollNow(memfd, POLL.IN)), UseAfterFreeError);
  });
});
