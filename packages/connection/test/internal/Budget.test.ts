import { assert, describe, it } from "vitest";
import { Budget } from "../../src/internal/Budget.ts";

describe("Budget", () => {
  it("begins with the most, halves when it was wasted, down to the least", () => {
    const budget = new Budget(0.03, 0.001);
    assert.equal(budget.milliseconds, 0.03);
    budget.wasted();
    assert.equal(budget.milliseconds, 0.015);
    for (let i = 0; i < 10; i++) budget.wasted();
    assert.equal(budget.milliseconds, 0.001);
  });

  it("doubles when it paid, up to the most", () => {
    const budget = new Budget(0.03, 0.001);
    for (let i = 0; i < 10; i++) budget.wasted();
    budget.paid();
    assert.equal(budget.milliseconds, 0.002);
    for (let i = 0; i < 10; i++) budget.paid();
    assert.equal(budget.milliseconds, 0.03);
  });

  it("gives up where nothing is the least, and tries again after some time", () => {
    const budget = new Budget(0.1, 0);
    for (let i = 0; i < 10; i++) budget.wasted();
    const tries = Array.from({ length: 100 }, () => {
      const { milliseconds } = budget;
      if (milliseconds > 0) for (let i = 0; i < 10; i++) budget.wasted();
      return milliseconds;
    });
    assert.equal(tries[0], 0);
    assert.deepEqual(
      tries.filter((milliseconds) => milliseconds > 0),
      [0.1, 0.1, 0.1],
    );
  });

  it("goes on where the next try pays", () => {
    const budget = new Budget(0.1, 0);
    for (let i = 0; i < 10; i++) budget.wasted();
    while (budget.milliseconds === 0);
    budget.paid();
    assert.equal(budget.milliseconds, 0.1);
  });
});
