import { afterEach, assert, beforeEach, describe, it, vi } from "vitest";
import { Flight } from "../../src/internal/Flight.ts";

const KiB = 1024;
const PIECE = 256 * KiB;

/** Copies over a link: as many pieces as may be on their way depart, and arrive together after the delay. */
const round = (flight: Flight, milliseconds: number): number => {
  const pieces = Math.ceil(flight.limit / PIECE);
  const arrivals = Array.from({ length: pieces }, () => flight.depart());
  vi.advanceTimersByTime(milliseconds);
  for (const arrive of arrivals) arrive(PIECE);
  return flight.limit;
};

describe("what is on its way", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
  afterEach(() => void vi.useRealTimers());

  it("grows until the link is full, and not beyond the limit", () => {
    const flight = new Flight(1024 * KiB, 4096 * KiB);
    assert.equal(flight.limit, 1024 * KiB);
    assert.deepEqual(
      [1, 2, 3].map(() => round(flight, 100)),
      [2048 * KiB, 4096 * KiB, 4096 * KiB],
    );
  });

  it("is twice what a link holds that is full", () => {
    const flight = new Flight(1024 * KiB, 4096 * KiB);
    // 10 KiB a millisecond: each piece waits for those before it, and the first one takes 125 ms.
    for (let i = 0; i < 3; i++) {
      const arrivals = Array.from({ length: Math.ceil(flight.limit / PIECE) }, () =>
        flight.depart(),
      );
      vi.advanceTimersByTime(100);
      for (const arrive of arrivals) {
        vi.advanceTimersByTime(25.6);
        arrive(PIECE);
      }
    }
    assert.isAbove(flight.limit, 1200 * KiB);
    assert.isBelow(flight.limit, 2 * 10 * 126 * KiB);
  });

  it("stays at its least without delay", () => {
    const flight = new Flight(1024 * KiB, 4096 * KiB);
    const arrivals = Array.from({ length: 4 }, () => flight.depart());
    for (const arrive of arrivals) {
      vi.advanceTimersByTime(1);
      arrive(PIECE);
    }
    assert.equal(flight.limit, 1024 * KiB);
    flight.depart()(PIECE);
    assert.isAtLeast(flight.limit, 1024 * KiB);
  });
});
