/* The operations of a controller on a caller that lies. */
import { RLIMIT } from "@rsyscall/abi";
import { Directory, getcwd, getrlimit, Memfd, readlink, Socket, stat } from "@rsyscall/handle";
import { PersistentTask } from "@rsyscall/task-persistent";
import { Command, LocalThread } from "@rsyscall/thread";
import { Effect } from "effect";

export const uses = {
  nothing: () => Effect.void,

  /** Takes a duplicate of one of its descriptors. */
  passFrom: ({ connection, stdin }) =>
    Effect.map(connection.passFrom([stdin]), (fds) => fds.length),

  passFromTwo: ({ connection, stdin, stdout }) =>
    Effect.map(connection.passFrom([stdin, stdout]), (fds) => fds.length),

  /** Gives it many descriptors. */
  passTo: ({ connection }) =>
    Effect.gen(function* () {
      const memfd = yield* Memfd.make((yield* LocalThread).task, "given");
      for (let i = 0; i < 1000; i++) yield* Effect.scoped(connection.passTo([memfd]));
    }),

  openChannels: ({ connection }) =>
    Effect.map(connection.openChannels(3), (channels) => channels.length),

  /** Waits for one of its descriptors. */
  wait: (thread) =>
    Effect.gen(function* () {
      const [reader] = yield* thread.pipe();
      const afd = yield* thread.makeAfd(reader);
      return (yield* Effect.timeout(afd.readBytes(1), "100 millis")).length;
    }),

  /** Connects to a persistent task through it. */
  dial: (thread) => {
    const options = { timeout: "100 millis" };
    return Effect.as(PersistentTask.connect(thread, "/nowhere", options), "a task");
  },

  fork: (thread) => Effect.as(thread.fork(), "a child"),

  /** Makes a child, which is killed at the end. */
  forkAndKill: (thread) =>
    Effect.flatMap(thread.fork(), (child) => Effect.as(child.process.kill(), "killed")),

  run: (thread) => Effect.as(thread.run(Command.make("/bin/true")), "a program"),

  readlink: ({ task }) => readlink(task, "/x"),
  getcwd: ({ task }) => Effect.map(getcwd(task), String),
  entries: ({ task }) =>
    Effect.flatMap(Directory.make(task, "/"), (directory) =>
      Effect.map(directory.getdents(), (entries) => entries.length),
    ),
  stat: ({ task }) => Effect.map(stat(task, "/"), ({ size }) => size),
  limits: ({ task }) => Effect.map(getrlimit(task, RLIMIT.NOFILE), ({ cur }) => cur),
  pipe: (thread) => Effect.map(thread.pipe(), (ends) => ends.length),
  socketPair: ({ task }) => Effect.map(Socket.pair(task), (ends) => ends.length),

  readSome: (thread) => Effect.map(thread.stdin.readBytes(10), (bytes) => bytes.length),

  read: (thread) => Effect.map(thread.stdin.readBytes(4096), (bytes) => bytes.length),
};
