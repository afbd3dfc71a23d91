/* A process with users, mounts, a host name and process numbers of its own, which becomes a shell. */
import { Effect } from "effect";
import { CLONE, LocalThread, MS, mount, sethostname } from "rsyscall";

const program = Effect.gen(function* () {
  const thread = yield* LocalThread;
  const child = yield* thread.clone(CLONE.NEWUSER | CLONE.NEWNS | CLONE.NEWUTS | CLONE.NEWPID, {
    user: { uid: 0, gid: 0 },
  });
  // Each step is a system call in the child, in the order of the program.
  yield* sethostname(child, "sandbox");
  yield* mount(child, "none", "/tmp", "tmpfs", MS.NODEV | MS.NOSUID, "size=1m");
  yield* child.spit("/tmp/note", "only the sandbox sees this file\n");

  const script = 'echo "process $$, user $(id -u), on $(uname -n)"; cat /tmp/note';
  yield* child.exec(thread.environ.sh.args("-c", script));
  console.log(`the sandbox ${yield* child.process.check()}`);
});
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
