import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Effect, type Scope } from "effect";

export const TEMP_PREFIX = "rsyscall-test-";

/** A temporary directory, removed with the scope. */
export const tempDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), `${TEMP_PREFIX}${process.pid}-`))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
);
