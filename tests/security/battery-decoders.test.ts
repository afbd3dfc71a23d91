import { decodeSockaddr, encodeSockaddr, fsDecode, fsEncode, type Sockaddr } from "@rsyscall/abi";
import { Random } from "@rsyscall/harness";
import { HandshakeError } from "@rsyscall/transport";
import { assert, describe, test } from "vitest";
import { bytesFor, codecs, decoders } from "./battery/decoders.ts";

/*
 * Decodes random bytes, as a peer could send them, with fixed seeds: each gives a value or a typed error.
 */

/** Runs of each decoder. */
const RUNS = 2000;

const isExpected = (error: unknown): boolean =>
  error instanceof RangeError || error instanceof HandshakeError;

describe("bytes that look random", () => {
  for (const codec of codecs)
    test(`are a value of ${codec.name}, or are none`, () => {
      const random = new Random(codec.size);
      const runs = Math.min(RUNS, Math.ceil(16_000 / codec.size));
      for (let run = 0; run < runs; run++) {
        const bytes = random.bytes(codec.size);
        // Small numbers, which are values of all types.
        if (run % 2 === 0) for (const i of bytes.keys()) if (i % 8 > 1) bytes[i] = 0;
        let value: unknown;
        try {
          value = codec.decode(bytes);
        } catch (error) {
          assert.isTrue(isExpected(error), String(error));
          continue;
        }
        const again = new Uint8Array(codec.sizeOf(value));
        try {
          codec.encode(value, again);
        } catch (error) {
          assert.isTrue(isExpected(error), String(error));
          continue;
        }
        assert.deepEqual(codec.decode(again), value);
      }
    });

  for (const [name, decode] of Object.entries(decoders))
    test(`are nothing that ${name} cannot cope with`, () => {
      const random = new Random(name.length);
      let decoded = 0;
      for (let run = 0; run < RUNS; run++) {
        const bytes = bytesFor(name, random);
        const before = bytes.slice();
        try {
          const values = decode(bytes);
          decoded++;
          assert.isAtMost(values.length, Math.max(1, bytes.length));
        } catch (error) {
          assert.isTrue(isExpected(error), `${error} of ${Buffer.from(bytes).toString("hex")}`);
        }
        assert.deepEqual(bytes, before, "they are the caller's");
      }
      assert.isAbove(decoded, RUNS / 20, "most of it would have been garbage");
    });

  test("are the same again as text, and as an address", () => {
    const random = new Random(1);
    for (let run = 0; run < RUNS; run++) {
      const bytes = random.bytes(random.below(30));
      assert.deepEqual(Buffer.from(fsEncode(fsDecode(bytes))), Buffer.from(bytes));
      const address = decodeSockaddr(bytesFor("decodeSockaddr", random));
      if (address !== undefined && address.family !== "unix")
        assert.deepEqual(decodeSockaddr(encodeSockaddr(address as Sockaddr)), address);
    }
  });
});
