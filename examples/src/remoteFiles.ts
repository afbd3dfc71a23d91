/*
 * A program that knows Effect's FileSystem alone works on files of another place. With a host as its argument it goes
 * there by ssh; without one, the place is behind a shell of this host, reached by a stream of bytes.
 */
import { Effect, FileSystem } from "effect";
import { Command, CommandTask, LocalThread, SshTask, ThreadFileSystem } from "rsyscall";

/** Knows nothing of rsyscall. */
const inventory = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem;
  const directory = yield* fs.makeTempDirectoryScoped();
  yield* fs.writeFileString(`${directory}/note`, "written from afar\n");
  const { size } = yield* fs.stat(`${directory}/note`);
  return { size: Number(size), names: yield* fs.readDirectory(directory) };
});

const [host] = process.argv.slice(2);
const program = Effect.gen(function* () {
  const local = yield* LocalThread;
  const { thread } =
    host === undefined
      ? yield* CommandTask.make(local, (...words) => Command.make("/usr/bin/env", ...words))
      : yield* SshTask.make(local, host);
  console.log(`in process ${thread.task.pid} of ${host ?? "this host, which serves over a pipe"}`);
  const { names, size } = yield* Effect.provide(inventory, ThreadFileSystem.layer(thread));
  console.log(`the directory has ${names.join(", ")}, of ${size} bytes`);
});
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
