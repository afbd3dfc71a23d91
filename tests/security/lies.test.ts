import { afterAll, assert, beforeAll, describe, it } from "vitest";
import { Attack } from "./attack.ts";
import { lies } from "./lies.mjs";

/** Milliseconds that the controller's event loop may stand still. A blocked one stands still for seconds. */
const LAG = 500;

describe("a client that lies", () => {
  let attack: Attack;
  let before: number;
  beforeAll(async () => {
    attack = await Attack.make();
    // The first call makes things that stay: a mapping, a thread of libuv.
    assert.equal(await attack.call(), 3);
    before = (await attack.report()).fds;
  });
  afterAll(() => attack.end());

  for (const [name, { outcome, dropped }] of Object.entries(lies))
    it(name, async () => {
      try {
        const told = attack.lie(name);
        told.catch(() => {});
        assert.equal(await attack.call(), 3, "a good stub beside it");
        if (outcome !== undefined) assert.match(await attack.outcome(name), outcome);
        if (dropped !== undefined) await attack.logged(dropped);
        await told;
        assert.equal(await attack.call(), 3, "a good stub behind it");
        assert.isBelow((await attack.report()).lag, LAG, "milliseconds without a tick");
        const loud = attack.takeLog().filter(({ level }) => level === "Error" || level === "Fatal");
        assert.deepEqual(loud, [], "errors that were logged");
        await soon(async () => (await attack.report()).fds <= before);
      } catch (error) {
        // The next lie gets a new controller.
        await attack.end();
        attack = await Attack.make();
        throw error;
      }
    });
});

/** Waits until something holds that needs some turns of the event loop. */
const soon = async (holds: () => Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + 2000;
  while (!(await holds())) {
    assert.isBelow(Date.now(), deadline, "descriptors are left");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
