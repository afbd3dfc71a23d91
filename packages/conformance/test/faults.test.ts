import { it } from "@rsyscall/harness";
import { LocalThread } from "@rsyscall/thread";
import { Deferred, Effect } from "effect";
import { assert, describe } from "vitest";
import { behaviours, check, NonconformanceError, type TransportUnderTest } from "../src/index.ts";
import * as faults from "./faults.ts";
import { fork, local } from "./transports.ts";

/** A behaviour by the beginning of its name. */
const behaviourOf = (name: string) => {
  const [behaviour, ...others] = behaviours.filter((of) => of.name.startsWith(name));
  assert(behaviour !== undefined && others.length === 0, `one behaviour is called "${name}..."`);
  return behaviour;
};

/** What is said of a transport that does not do what a right one does. */
const problemOf = (transport: TransportUnderTest, name: string) =>
  Effect.map(Effect.flip(check(behaviourOf(name), transport)), (error) => {
    assert.instanceOf(error, NonconformanceError);
    assert.include(error.message, `a right transport ${name}`);
    return error.problem;
  });

const passes = (transport: TransportUnderTest, name: string) =>
  Effect.map(check(behaviourOf(name), transport), (reason) => assert.isUndefined(reason, name));

/** Done when the test is: what is to hang until then must not for ever. */
const over = Effect.acquireRelease(Deferred.make<void>(), (over) =>
  Deferred.succeed(over, undefined),
);

/** What is said where something is waited for in vain: the limit decides how long the test takes. */
const hangOf = (transport: TransportUnderTest, name: string) =>
  problemOf({ ...transport, timeout: "500 millis" }, name);

/** The beginning of a behaviour's name, and what is said then. */
type Problems = Readonly<Record<string, RegExp>>;

type Fault = readonly [
  what: string,
  transport: TransportUnderTest,
  problems: Problems,
  /** What such a transport does right all the same. */
  right: string,
];

/** Found at once. */
const seen: ReadonlyArray<Fault> = [
  [
    "lets calls pass each other",
    faults.reorders,
    {
      "performs 64 calls": /the result of call \d+: it is \d+, and should be \d+/,
      "performs 1000 calls": /the result of call \d+/,
      "gives each of the 64 calls": /the result of call \d+/,
      "waits for all that was submitted before a barrier": /when the barrier was: it is \d+/,
    },
    "passes arguments and results of 64 bits",
  ],
  [
    "loses bytes of memory",
    faults.losesBytes,
    {
      "moves 64 KiB and a byte": /byte 65536 of 65537 is 0, and should be/,
      "moves 1 MiB": /byte 65536 of 1048576/,
      "shows the kernel what was written": /byte 65536/,
      "writes whole files": /a file of \d+ bytes: byte 65536/,
    },
    "moves a page into",
  ],
  [
    "writes to memory late",
    faults.writesLate,
    { "shows a write to every call after it": /./ },
    "makes calls in the process",
  ],
  [
    "truncates arguments",
    faults.truncates,
    {
      "passes arguments and results of 64 bits": /the offset 4294967296 .*: it is 0/,
      "passes all six arguments": /what is mapped/,
    },
    "performs 1000 calls",
  ],
  [
    "hides errors",
    faults.hidesErrors,
    {
      "gives the errno of a call": /close of no descriptor: it succeeded, and should fail/,
      "gives -ENOSYS": /it is 0, and should be -38/,
    },
    "makes calls in the process",
  ],
  [
    "denies what it has sent",
    faults.deniesCalls,
    { "fails the call that is under way": /with SyscallSendError, and should with SyscallHangup/ },
    "fails calls with SyscallSendError",
  ],
  [
    "ends with an errno",
    faults.hangsUpWithErrno,
    {
      "fails calls with SyscallSendError": /failed with SyscallError: getpid: EIO/,
      "wakes fibers that wait for a descriptor of the process":
        /it failed with SyscallError, and should with/,
    },
    "performs 64 calls",
  ],
  [
    "has a descriptor of which nobody knows",
    faults.leavesDescriptors,
    {
      "has no descriptors but": /it is \[1\d\d\], and should be \[\]/,
      "gives programs stdin, stdout, stderr, and no": /it is \[1\d\d\], and should be \[\]/,
    },
    "makes every descriptor close-on-exec",
  ],
  [
    "leaves descriptors to programs",
    faults.forgetsCloexec,
    {
      "makes every descriptor close-on-exec": /the flags of descriptor 1\d\d: it is 0/,
      "gives programs stdin, stdout, stderr, and no": /it is \[1\d\d\], and should be \[\]/,
    },
    "has no descriptors but",
  ],
  [
    "blocks a signal",
    faults.blocksSignals,
    { "blocks no signals": /it is \[10\], and should be \[\]/ },
    "makes calls in the process",
  ],
];

/** Found by what does not come. */
const missed: ReadonlyArray<Fault> = [
  [
    "leaks descriptors of the controller",
    faults.leaksDescriptors,
    {
      "leaves no descriptor and no child in the controller": /nothing left of \d+ -> \/dev\/null/,
      "leaves nothing in the controller of ten Threads": /nothing left of/,
    },
    "leaves no descriptor in the process of what was opened",
  ],
  [
    "leaks descriptors of the controller when it is interrupted",
    faults.leaksWhenInterrupted,
    { "leaves nothing in the controller when it is interrupted": /nothing left of \d+ -> / },
    "leaves nothing in the controller of ten Threads",
  ],
  [
    "never closes descriptors",
    faults.neverClosesFds,
    { "leaves no descriptor in the process of what was opened": /no descriptors in the process/ },
    "makes calls in the process",
  ],
  [
    "loses events",
    faults.losesEvents,
    {
      "makes other calls while a fiber waits": /has not come to this: the wake-up of a reader/,
      "accepts connections": /has not come to this: all of the connections/,
    },
    "performs 64 calls",
  ],
];

describe("a transport that", () => {
  for (const [faultsOf, find] of [
    [seen, problemOf],
    [missed, hangOf],
  ] as const)
    for (const [what, transport, problems, right] of faultsOf)
      it(`${what} is told so`, function* () {
        yield* Effect.addFinalizer(() => faults.closeLeaked);
        for (const [name, problem] of Object.entries(problems))
          assert.match(yield* find(transport, name), problem, name);
        yield* passes(transport, right);
      });

  it("does not end its process is told so", function* () {
    const transport = faults.outlives(yield* LocalThread, yield* Effect.scope);
    const name = "leaves no process, once its scope is closed";
    assert.match(yield* hangOf(transport, name), /no process \d+, after its scope is closed/);
    assert.match(yield* hangOf(transport, "leaves no descriptor and no child"), /child \d+/);
  });

  it("never tells of its end is told so", function* () {
    const transport = faults.neverHangsUp(yield* over);
    const problems = {
      "fails calls with SyscallSendError": /has not come to this: a call that fails after/,
      "fails the call that is under way": /has not come to this: the end of a call/,
      "wakes fibers that wait for a descriptor of the process":
        /has not come to this: the end of a fiber/,
      "ends memory that is on its way": /has not come to this/,
    };
    yield* Effect.forEach(
      Object.entries(problems),
      ([name, problem]) =>
        Effect.map(hangOf(transport, name), (said) => assert.match(said, problem, name)),
      { concurrency: "unbounded" },
    );
    yield* passes(transport, "makes other calls while a fiber waits");
  });

  it("does not close its scope is told so", function* () {
    const transport = faults.neverCloses(yield* over);
    const problem = yield* hangOf(transport, "makes calls in the process");
    assert.equal(problem, "its scope has not closed within 500ms");
  });

  it("outlives its controller is told so", function* () {
    const name = "ends with its children and programs when SIGKILL";
    const problem = yield* hangOf(faults.outlivesItsController, name);
    assert.match(problem, /has not come to this: the end of process \d+ of a controller/);
    assert.include(yield* problemOf(faults.noController, name), "no such host");
  });

  it("gives no Thread is told so, with the reason", function* () {
    const makeThread = Effect.fail(new Error("no such host"));
    const problem = yield* problemOf(
      { makeThread: () => makeThread },
      "makes calls in the process",
    );
    assert.equal(problem, "no such host");
  });
});

describe("a behaviour", () => {
  it("has a name of its own, and is looked at where it can be", function* () {
    assert.equal(new Set(behaviours.map(({ name }) => name)).size, behaviours.length);
    const hangup = behaviourOf("fails calls with SyscallSendError");
    assert.equal(yield* check(hangup, local), "cut is not given");
    const exits = behaviourOf("exits, which ends the Thread");
    assert.equal(yield* check(exits, local), "it is the controller's own process");
    assert.isUndefined(yield* check(exits, fork));
  });

  it("is not seen where the kernel does not permit it, which is not the transport's fault", function* () {
    const behaviour = behaviourOf("makes children in namespaces of their own");
    const reason = yield* check(behaviour, faults.forbidsClone);
    assert.match(reason ?? "", /^clone\(.*\): EPERM: Operation not permitted/);
  });
});
