import { CLONE, Utsname } from "@rsyscall/abi";
import {
  geteuid,
  learnNamespaces,
  mount,
  readlink,
  sethostname,
  type Task,
} from "@rsyscall/handle";
import { getpid, Pid, uname } from "@rsyscall/near";
import { Effect } from "effect";
import { type Behaviour, behaviour, topic } from "./Behaviour.ts";
import { utf8 } from "./internal/bytes.ts";
import { equal, ok } from "./internal/expect.ts";
import { ifPermitted, newThread } from "./internal/subject.ts";

const nodename = (task: Task) =>
  Effect.map(
    task.withResult(Utsname, (at) => uname(task.sysif, at)),
    ({ nodename }) => nodename,
  );

/** They always use a child, so that the changes end with it. */
export const namespaces: ReadonlyArray<Behaviour> = topic("namespaces", [
  behaviour("makes children in namespaces of their own", ["children", "namespaces"], function* () {
    const thread = yield* newThread;
    const before = yield* nodename(thread.task);
    yield* learnNamespaces(thread);
    const child = yield* ifPermitted(
      thread.clone(CLONE.NEWUSER | CLONE.NEWUTS, { user: { uid: 0, gid: 0 } }),
    );
    equal(yield* geteuid(child.task), 0, "the user id of the child, in its namespace");
    yield* sethostname(child.task, "conformance");
    equal(yield* nodename(child.task), "conformance", "the host name in the child");
    equal(yield* nodename(thread.task), before, "the host name in the parent");
    ok(
      !child.task.namespaces.uts.is(thread.task.namespaces.uts),
      "the child is said to be elsewhere",
    );
  }),

  behaviour(
    "makes a child that is the first process of a pid namespace",
    ["children", "namespaces"],
    function* () {
      const thread = yield* newThread;
      const child = yield* ifPermitted(thread.clone(CLONE.NEWUSER | CLONE.NEWPID));
      equal(yield* getpid(child.task.sysif), Pid(1), "its pid, in its namespace");
      equal(child.task.pid, Pid(1), "its pid, as the Thread says");
      const grandchild = yield* child.fork();
      equal(yield* getpid(grandchild.task.sysif), Pid(2), "the pid of its first child");
      yield* child.process.kill();
      yield* child.process.kill(9);
      yield* child.process.wait();
    },
  ),

  behaviour("lets a child leave its namespaces", ["children", "namespaces", "proc"], function* () {
    const thread = yield* newThread;
    yield* learnNamespaces(thread);
    const child = yield* thread.fork();
    const directory = yield* thread.mkdtemp();
    yield* ifPermitted(child.unshare(CLONE.NEWUSER | CLONE.NEWNS));
    for (const kind of ["user", "mnt"] as const) {
      const link = yield* readlink(child.task, `/proc/self/ns/${kind}`);
      equal(`${kind}:[${child.task.namespaces[kind].id}]`, link.text, `its ${kind} namespace`);
      ok(
        !child.task.namespaces[kind].is(thread.task.namespaces[kind]),
        "the child is said to be elsewhere",
      );
    }
    yield* ifPermitted(mount(child.task, "none", directory, "tmpfs", 0));
    yield* child.spit(`${directory}/inside`, "seen");
    equal(utf8(yield* child.slurp(`${directory}/inside`)), "seen", "a file of the child's mount");
    equal(
      (yield* Effect.exit(thread.open(`${directory}/inside`)))._tag,
      "Failure",
      "the same path in the parent",
    );
  }),
]);
