import { F, FD, SIG, Uint64, Utsname } from "@rsyscall/abi";
import { namespaceKinds } from "@rsyscall/far";
import {
  chdir,
  type FileDescriptor,
  getcwd,
  learnNamespaces,
  Memfd,
  readlink,
  Socket,
} from "@rsyscall/handle";
import { call, Fd, uname } from "@rsyscall/near";
import { Effect } from "effect";
import { type Behaviour, behaviour, topic } from "./Behaviour.ts";
import { equal, ok } from "./internal/expect.ts";
import { openBesideStdio, signalSet, strangers } from "./internal/inside.ts";
import { newThread, waiting } from "./internal/subject.ts";

const AT_PAGESZ = 6n;

/** Starts a program that waits, so that its process can be examined. */
const waitingProgram = Effect.gen(function* () {
  const thread = yield* newThread;
  const [input] = yield* thread.pipe();
  const [output, stdout] = yield* thread.pipe();
  const command = thread.environ.sh.args("-c", "echo ready; read never");
  const { pid } = yield* thread.spawn(command, { stdin: input, stdout });
  // Before that, the loader has libraries open.
  const afd = yield* thread.makeAfd(output);
  yield* waiting("what a program says first", afd.readBytes(1));
  return { thread, pid };
});

export const state: ReadonlyArray<Behaviour> = topic("state of the process", [
  behaviour(
    "has no descriptors but stdin, stdout, stderr and those that it uses itself",
    ["ownDescriptors", "proc"],
    function* () {
      equal(
        yield* strangers(yield* newThread),
        [],
        "descriptors that are open, and of which the Thread has no handle",
      );
    },
  ),

  behaviour(
    "gives a child what was opened by the time it was made, and nothing else",
    ["children", "ownDescriptors", "proc"],
    function* () {
      const thread = yield* newThread;
      const first = yield* thread.fork();
      const file = yield* Memfd.make(thread.task, "inherited");
      const second = yield* thread.fork();
      equal(yield* strangers(first), [], "descriptors of a child, where nothing was opened");
      equal(
        yield* strangers(second),
        [file.near],
        "descriptors of a child, where one was opened before it",
      );
    },
  ),

  behaviour(
    "gives programs stdin, stdout, stderr, and no descriptor more",
    ["ownDescriptors", "programs", "proc"],
    function* () {
      const { thread, pid } = yield* waitingProgram;
      equal(yield* openBesideStdio(thread, pid), [], "more descriptors of a program");
    },
  ),

  behaviour("makes every descriptor close-on-exec", ["proc"], function* () {
    const thread = yield* newThread;
    const { task } = thread;
    const flagsOf = (fd: number) => call(task.sysif, "fcntl", fd, F.GETFD, 0);
    const [reader, writer] = yield* thread.pipe();
    const made: Record<string, FileDescriptor> = {
      "a read end": reader,
      "a write end": writer,
      "a duplicate": yield* reader.dup(),
      "an open file": yield* thread.open("/"),
      "a socket": (yield* Socket.pair(task))[0],
    };
    for (const [what, fd] of Object.entries(made))
      equal(yield* flagsOf(fd.near), FD.CLOEXEC, `the flags of ${what}`);
    const afd = yield* thread.makeAfd(reader);
    ok(afd.handle === reader, "an asynchronous descriptor is the same descriptor");
    // Descriptors that the transport itself has opened there.
    const others = yield* strangers(thread);
    for (const fd of yield* openBesideStdio(thread))
      if (!others.includes(fd))
        equal(yield* flagsOf(fd), FD.CLOEXEC, `the flags of descriptor ${fd}`);
  }),

  behaviour("blocks no signals but those that it says", ["proc"], function* () {
    const thread = yield* newThread;
    const said = [...thread.task.sigmask].sort((a, b) => a - b);
    equal(yield* signalSet(thread, "self", "SigBlk"), said, "the signals that are blocked");
  }),

  behaviour(
    "starts programs with the signal mask of its own caller, and no handlers",
    ["programs", "proc"],
    function* () {
      const { thread, pid } = yield* waitingProgram;
      const { programSignals, sigmask } = thread.task;
      const expected = [...programSignals.maskOf(sigmask)].sort((a, b) => a - b);
      equal(
        yield* signalSet(thread, pid, "SigBlk"),
        expected,
        "the signals that a program has blocked",
      );
      const ignored = (yield* signalSet(thread, "self", "SigIgn")).filter(
        (signal) => !programSignals.defaulted.has(signal),
      );
      for (const signal of yield* signalSet(thread, pid, "SigIgn"))
        ok(
          ignored.includes(signal),
          `a program must not ignore signal ${signal}, which it was not told to ignore`,
        );
      ok(
        !(yield* signalSet(thread, pid, "SigIgn")).includes(SIG.CHLD),
        "a program must not ignore SIGCHLD: it could not wait for its children",
      );
    },
  ),

  behaviour("knows its machine and the size of its pages", ["proc"], function* () {
    const thread = yield* newThread;
    const { task } = thread;
    const { machine } = yield* task.withResult(Utsname, (at) => uname(task.sysif, at));
    equal(machine, task.abi.machine, "what uname says of the machine");
    const auxv = yield* thread.slurp("/proc/self/auxv");
    for (let at = 0; at + 16 <= auxv.length; at += 16)
      if (Uint64.decode(auxv.subarray(at, at + 8)) === AT_PAGESZ)
        equal(
          BigInt(task.pageSize),
          Uint64.decode(auxv.subarray(at + 8, at + 16)),
          "the size of a page, in bytes",
        );
  }),

  behaviour("learns in which namespaces it is", ["proc"], function* () {
    const { task } = yield* newThread;
    yield* learnNamespaces(task);
    for (const kind of namespaceKinds) {
      const { id } = task.namespaces[kind];
      if (id === undefined) continue;
      const link = yield* readlink(task, `/proc/self/ns/${kind}`);
      equal(`${kind}:[${id}]`, link.text, `the ${kind} namespace`);
    }
  }),

  behaviour(
    "has stdin, stdout and stderr at their numbers, which a child can replace",
    ["children"],
    function* () {
      const thread = yield* newThread;
      for (const [number, fd] of [thread.stdin, thread.stdout, thread.stderr].entries())
        equal(fd.near, Fd(number), "the number of a standard descriptor");
      const child = yield* thread.fork();
      const [reader, writer] = yield* child.pipe();
      yield* writer.dup3(child.stdout);
      yield* child.stdout.writeAllText("to stdout");
      equal(new TextDecoder().decode(yield* reader.readBytes()), "to stdout", "what came through");
    },
  ),

  behaviour("gives children a working directory of their own", ["children"], function* () {
    const thread = yield* newThread;
    const before = (yield* getcwd(thread.task)).text;
    const directory = yield* thread.mkdtemp();
    const child = yield* thread.fork();
    equal((yield* getcwd(child.task)).text, before, "the directory that a child begins in");
    yield* chdir(child.task, directory);
    equal((yield* getcwd(child.task)).text, directory.text, "the directory of the child");
    equal((yield* getcwd(thread.task)).text, before, "the directory of the parent");
  }),
]);
