import { CLONE, SIG, W } from "@rsyscall/abi";
import { Memfd } from "@rsyscall/handle";
import { getpid, getppid, kill, Pid } from "@rsyscall/near";
import { type ChildThread, Command, type Thread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { type Behaviour, behaviour, topic } from "./Behaviour.ts";
import { pattern, utf8 } from "./internal/bytes.ts";
import { equal, equalBytes, failing, ok, refused } from "./internal/expect.ts";
import { beside, newThread, waiting } from "./internal/subject.ts";

const script = (thread: Thread, code: string, ...args: ReadonlyArray<string | Uint8Array>) =>
  thread.environ.sh.args("-c", code, "sh", ...args);

/** Checks that a child supports the operations of a Thread. */
const works = Effect.fnUntraced(function* (child: ChildThread, name: string) {
  equal(yield* getpid(child.task.sysif), child.task.pid, `what getpid gives in ${name}`);
  const bytes = pattern(10_000, child.task.pid);
  const pointer = yield* child.task.ptr(bytes);
  equalBytes(yield* pointer.read(), bytes, `memory of ${name}`);
  const [reader, writer] = yield* child.pipe();
  const afd = yield* child.makeAfd(reader);
  const reading = yield* beside(afd.readBytes());
  yield* writer.writeAllText("works");
  const read = yield* waiting(`the wake-up of a reader in ${name}`, Fiber.join(reading));
  equal(utf8(read), "works", `what a fiber has read in ${name}`);
});

export const processes: ReadonlyArray<Behaviour> = topic("processes", [
  behaviour("tells with which status a program has exited", ["programs"], function* () {
    const thread = yield* newThread;
    for (const status of [0, 1, 77, 255]) {
      const state = yield* waiting(
        `the end of a program that exits with ${status}`,
        thread.run(script(thread, "exit $1", String(status))),
      );
      equal(state.exitStatus, status, "the exit status");
    }
  }),

  behaviour("tells which signal has killed a program", ["programs"], function* () {
    const thread = yield* newThread;
    for (const signal of [SIG.TERM, SIG.KILL, SIG.PIPE, SIG.RTMAX - 1]) {
      const state = yield* waiting(
        `the end of a program that signal ${signal} kills`,
        thread.run(script(thread, "kill -$1 $$", String(signal))),
      );
      equal(state.signal, signal, "the signal");
    }
  }),

  behaviour(
    "gives programs the descriptors, directory, arguments and environment that it is told to",
    ["programs"],
    function* () {
      const thread = yield* newThread;
      const directory = yield* thread.mkdtemp();
      const [reader, writer] = yield* thread.pipe();
      const [errors, stderr] = yield* thread.pipe();
      const [input, feed] = yield* thread.pipe();
      const [extra, seven] = yield* thread.pipe();
      const command = script(
        thread,
        'read line; printf "%s|" "$line" "$PWD" "$X" "$#" "$1"; echo oops >&2; echo seven >&7; exit 3',
        "an argument",
        new Uint8Array([0xff, 0x20, 0x41]),
      ).env({ X: "variable" });
      const process = yield* thread.spawn(command, {
        stdin: input,
        stdout: writer,
        stderr,
        fds: new Map([[7, seven]]),
        cwd: directory,
      });
      for (const fd of [writer, stderr, input, seven]) yield* fd.close();
      yield* feed.writeAllText("a line\n");
      const [output, complaint, more] = yield* waiting(
        "the output of a program",
        Effect.all(
          [thread.readTextToEof(reader), thread.readTextToEof(errors), thread.readTextToEof(extra)],
          {
            concurrency: "unbounded",
          },
        ),
      );
      equal(
        output,
        `a line|${directory.text}|variable|2|an argument|`,
        "what the program has seen",
      );
      equal(complaint, "oops\n", "what it wrote to stderr");
      equal(more, "seven\n", "what it wrote to descriptor 7");
      equal((yield* process.wait()).exitStatus, 3, "its status");
    },
  ),

  behaviour("passes arguments to programs that are not UTF-8", ["programs"], function* () {
    const thread = yield* newThread;
    const [reader, writer] = yield* thread.pipe();
    const argument = new Uint8Array([0xff, 0xfe, 0x41, 0x80]);
    yield* thread.run(script(thread, 'printf "%s" "$1"', argument), { stdout: writer });
    yield* writer.close();
    equalBytes(yield* thread.readToEof(reader), argument, "the argument");
  }),

  behaviour("says why a program cannot be executed, and leaves nothing behind", [], function* () {
    const thread = yield* newThread;
    const missing = Command.make("/no/such/program");
    yield* refused(thread.run(missing), "ENOENT", "run of a program that is not there");
    yield* refused(Effect.scoped(Effect.asVoid(thread.spawn(missing))), "ENOENT", "spawn of it");
    yield* refused(thread.run(Command.make("/")), "EACCES", "run of a directory");
  }),

  behaviour("runs programs side by side", ["programs"], function* () {
    const thread = yield* newThread;
    const states = yield* waiting(
      "the end of 16 programs",
      Effect.forEach(
        Array.from({ length: 16 }, (_, i) => i),
        (i) => thread.run(script(thread, "exit $1", String(i))),
        { concurrency: "unbounded" },
      ),
    );
    for (const [i, state] of states.entries())
      equal(state.exitStatus, i, `the status of program ${i}`);
  }),

  behaviour(
    "makes calls while a program of its runs, and sends it signals",
    ["programs"],
    function* () {
      const thread = yield* newThread;
      const [input] = yield* thread.pipe();
      const process = yield* thread.spawn(script(thread, "read never"), { stdin: input });
      const waits = [yield* beside(process.wait()), yield* beside(process.wait())];
      equal(yield* getpid(thread.task.sysif), thread.task.pid, "what getpid gives meanwhile");
      ok(process.state === undefined, "a program that waits must not be over");
      yield* process.kill(SIG.STOP);
      const stopped = yield* waiting("a program that is stopped", process.waitFor(W.STOPPED));
      equal(stopped.signal, SIG.STOP, "what has stopped it");
      yield* process.kill(SIG.CONT);
      yield* process.kill(SIG.TERM);
      for (const wait of waits) {
        const state = yield* waiting("the end of a program that is killed", Fiber.join(wait));
        equal(state.signal, SIG.TERM, "what has killed it");
      }
      yield* refused(process.kill(SIG.TERM), "ESRCH", "a signal to what is no more");
    },
  ),

  behaviour(
    "kills and waits for what it runs, when the scope closes or the fiber is interrupted",
    ["programs"],
    function* () {
      const thread = yield* newThread;
      const [input] = yield* thread.pipe();
      const wait = script(thread, "read never");
      const pid = yield* Effect.scoped(
        Effect.map(thread.spawn(wait, { stdin: input }), (process) => process.pid),
      );
      yield* refused(
        kill(thread.task.sysif, pid, 0),
        "ESRCH",
        "kill of a child whose scope is closed",
      );
      const [reader, writer] = yield* thread.pipe();
      const running = yield* beside(
        thread.run(script(thread, "echo $$; read never"), { stdin: input, stdout: writer }),
      );
      const afd = yield* thread.makeAfd(reader);
      const told = Number(utf8(yield* waiting("the pid of a program", afd.readBytes())));
      yield* waiting("the end of a run that is interrupted", Fiber.interrupt(running));
      yield* refused(
        kill(thread.task.sysif, Pid(told), 0),
        "ESRCH",
        "kill of a program that was interrupted",
      );
    },
  ),

  behaviour(
    "makes children that do all that it does, and their children too",
    ["children"],
    function* () {
      const thread = yield* newThread;
      const child = yield* thread.fork();
      equal(yield* getppid(child.task.sysif), thread.task.pid, "the parent of the child");
      yield* works(child, "a child");
      const grandchild = yield* child.fork();
      equal(yield* getppid(grandchild.task.sysif), child.task.pid, "the parent of its child");
      yield* works(grandchild, "a child's child");
      equal(yield* getpid(thread.task.sysif), thread.task.pid, "what getpid gives in the parent");
    },
  ),

  behaviour("makes a child that shares its descriptors", ["children"], function* () {
    const thread = yield* newThread;
    const child = yield* thread.clone(CLONE.FILES);
    yield* works(child, "a child that shares descriptors");
    const file = yield* Memfd.make(child.task, "of the child");
    const ours = yield* file.forTask(thread.task);
    yield* ours.writeAllText("ours");
    equal((yield* file.fstat()).size, 4, "the size of the file, in the child");
  }),

  behaviour(
    "tells how a child has ended, and fails what is asked of it then",
    ["children"],
    function* () {
      const thread = yield* newThread;
      const exited = yield* thread.fork();
      yield* exited.exit(42);
      const state = yield* waiting("the end of a child that exits", exited.process.wait());
      equal(state.exitStatus, 42, "the status of a child");
      yield* failing(
        getpid(exited.task.sysif),
        ["SyscallSendError"],
        "a call in a child that is over",
      );
      const raised = yield* thread.fork();
      yield* raised.raise(SIG.USR1);
      equal(
        (yield* waiting("the end of a child by a signal", raised.process.wait())).signal,
        SIG.USR1,
        "its signal",
      );
      const killed = yield* thread.fork();
      yield* killed.process.kill(SIG.KILL);
      equal(
        (yield* waiting("the end of a child that is killed", killed.process.wait())).signal,
        SIG.KILL,
        "its signal",
      );
      equal(yield* getpid(thread.task.sysif), thread.task.pid, "what getpid gives in the parent");
    },
  ),

  behaviour(
    "lets a child become a program, with the descriptors that it was given",
    ["children", "programs"],
    function* () {
      const thread = yield* newThread;
      const [reader, writer] = yield* thread.pipe();
      const child = yield* thread.fork();
      yield* (yield* writer.inherit(child.task)).dup3(child.stdout);
      yield* refused(child.exec(Command.make("/no/such/program")), "ENOENT", "exec of no program");
      equal(
        yield* getpid(child.task.sysif),
        child.task.pid,
        "what getpid gives after an exec that failed",
      );
      yield* waiting(
        "the exec of a child",
        child.exec(script(thread, 'printf "%s" "$$ $1 $X"', "here").env({ X: "there" })),
      );
      yield* writer.close();
      const text = yield* waiting("the end of a program's output", thread.readTextToEof(reader));
      equal(text, `${child.process.pid} here there`, "what the program has written");
      equal((yield* child.process.wait()).exitStatus, 0, "its status");
      yield* failing(
        getpid(child.task.sysif),
        ["SyscallSendError"],
        "a call in what is another program",
      );
    },
  ),

  behaviour(
    "becomes a program itself, which ends the Thread",
    ["ownProcess", "programs"],
    function* () {
      const thread = yield* newThread;
      yield* refused(thread.exec(Command.make("/no/such/program")), "ENOENT", "exec of no program");
      yield* waiting("the exec of the Thread's process", thread.exec(script(thread, "exit 0")));
      yield* failing(
        getpid(thread.task.sysif),
        ["SyscallSendError"],
        "a call in what is another program",
      );
    },
  ),

  behaviour("exits, which ends the Thread", ["ownProcess"], function* () {
    const thread = yield* newThread;
    yield* failing(thread.exit(256), ["InvalidArgumentError"], "exit with what is no status");
    yield* waiting("the exit of the Thread's process", thread.exit(0));
    yield* failing(getpid(thread.task.sysif), ["SyscallSendError"], "a call after the exit");
  }),

  behaviour("ends its children with it", ["ownProcess", "children"], function* () {
    const thread = yield* newThread;
    const child = yield* thread.fork();
    yield* thread.exit(0);
    yield* waiting(
      "the end of the child of a process that has exited",
      Effect.exit(child.process.wait()),
    );
    const ask: Effect.Effect<void> = Effect.suspend(() =>
      Effect.matchEffect(getpid(child.task.sysif), {
        onSuccess: () => Effect.andThen(Effect.yieldNow, ask),
        onFailure: () => Effect.void,
      }),
    );
    yield* waiting("the end of calls in the child of a process that has exited", ask);
  }),
]);
