import { IN, type InotifyEvent } from "@rsyscall/abi";
import { assert, describe, it } from "vitest";
import { type Listener, WatchTable } from "../../src/internal/WatchTable.ts";

const event = (wd: number, mask: number, name?: string): InotifyEvent => ({
  wd,
  mask,
  cookie: 0,
  name,
});

/** Writes down what it is told. */
const listener = () => {
  const heard: Array<string> = [];
  const tell = ({ mask, name }: InotifyEvent) =>
    heard.push(mask & IN.Q_OVERFLOW ? "overflow" : (name ?? "itself"));
  return { heard, listener: { tell, end: () => heard.push("end") } as Listener };
};

describe("WatchTable", () => {
  it("tells all who listen to a watch, and nobody else", () => {
    const table = new WatchTable();
    const [a, b, other] = [listener(), listener(), listener()];
    table.begin(1, a.listener).listeners.add(b.listener);
    table.begin(2, other.listener);
    table.dispatch([event(1, IN.CREATE, "x"), event(3, IN.CREATE, "y"), event(1, IN.IGNORED)]);
    assert.deepEqual(a.heard, ["x", "end"]);
    assert.deepEqual(b.heard, ["x", "end"]);
    assert.deepEqual(other.heard, []);
    assert.equal(table.size, 1);
  });

  it("does not take a new watch for an old one whose number it has", () => {
    const table = new WatchTable();
    const [old, fresh] = [listener(), listener()];
    table.begin(1, old.listener);
    table.begin(1, fresh.listener);
    table.dispatch([event(1, IN.CREATE, "before")]);
    table.dispatch([event(1, IN.IGNORED), event(1, IN.CREATE, "after"), event(1, IN.IGNORED)]);
    assert.deepEqual(old.heard, ["before", "end"]);
    assert.deepEqual(fresh.heard, ["after", "end"]);
    assert.equal(table.size, 0);
  });

  it("gives no watch that was removed to those who join", () => {
    const table = new WatchTable();
    const watch = table.begin(1, listener().listener);
    assert.equal(table.current(1), watch);
    assert.isTrue(table.isLive(watch));
    watch.removed = true;
    assert.isUndefined(table.current(1));
    assert.isTrue(table.isLive(watch));
    table.dispatch([event(1, IN.IGNORED)]);
    assert.isFalse(table.isLive(watch));
  });

  it("keeps events that overtake the number of their watch, and only those", () => {
    const table = new WatchTable();
    const early = listener();
    table.dispatch([event(5, IN.CREATE, "of nobody")]);
    table.adding();
    table.dispatch([event(5, IN.CREATE, "early"), event(6, IN.CREATE, "of nobody")]);
    table.begin(5, early.listener);
    table.added();
    assert.deepEqual(early.heard, ["early"]);
    const late = listener();
    table.begin(6, late.listener);
    assert.deepEqual(late.heard, []);
  });

  it("tells everybody of an overflow, which may have swallowed the end of removed watches", () => {
    const table = new WatchTable();
    const [a, b, gone, next] = [listener(), listener(), listener(), listener()];
    table.begin(1, a.listener);
    table.begin(2, b.listener);
    table.begin(3, gone.listener).removed = true;
    table.begin(3, next.listener);
    table.dispatch([event(-1, IN.Q_OVERFLOW), event(3, IN.CREATE, "x")]);
    assert.deepEqual(a.heard, ["overflow"]);
    assert.deepEqual(b.heard, ["overflow"]);
    assert.deepEqual(gone.heard, []);
    assert.deepEqual(next.heard, ["overflow", "x"]);
  });
});
