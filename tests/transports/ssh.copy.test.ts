import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { O } from "@rsyscall/abi";
import { type CopyProgress, copyFile, type FileDescriptor } from "@rsyscall/handle";
import { describeUnless, it, slow, tempDirectory } from "@rsyscall/harness";
import { HOST, noSshd, startSshd } from "@rsyscall/harness/sshd";
import { SshTask } from "@rsyscall/task-ssh";
import { LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert } from "vitest";

const MiB = 1024 * 1024;

const sha256 = (path: string): string =>
  createHash("sha256").update(readFileSync(path)).digest("hex");

describeUnless(noSshd, "copying over ssh", () => {
  for (const size of [32 * MiB + 1, 256 * MiB])
    it.skipIf(size > 64 * MiB ? slow : undefined)(
      `brings ${size} bytes there and back, and tells how far it is`,
      function* () {
        const { options, home } = yield* startSshd();
        const local = yield* LocalThread;
        const { thread } = yield* SshTask.make(local, HOST, { options });
        const here = yield* tempDirectory;
        const [given, back] = [`${here}/given`, `${here}/back`];
        writeFileSync(given, randomBytes(size));
        const digest = sha256(given);

        const copy = (from: FileDescriptor, to: FileDescriptor) =>
          Effect.gen(function* () {
            const seen: Array<CopyProgress> = [];
            const onProgress = (progress: CopyProgress) =>
              Effect.sync(() => void seen.push(progress));
            assert.equal(yield* copyFile(from, to, { onProgress }), size);
            assert.equal(seen.length, Math.ceil((4 * size) / MiB));
            for (const [i, { done }] of seen.entries())
              assert.isAbove(done, seen[i - 1]?.done ?? 0);
            assert.deepEqual(seen.at(-1), { done: size, size });
          });
        const there = yield* thread.open(`${home}/there`, O.RDWR | O.CREAT, 0o600);
        yield* copy(yield* local.open(given), there);
        assert.equal(sha256(`${home}/there`), digest);
        yield* copy(there, yield* local.open(back, O.RDWR | O.CREAT, 0o600));
        assert.equal(sha256(back), digest);
      },
      120_000,
    );
});
