import type { Connection } from "@rsyscall/connection";
import { AsyncFileDescriptor, Epoller } from "@rsyscall/epoller";
import { AddressSpace, makeNamespaces } from "@rsyscall/far";
import {
  Epoll,
  type FdClass,
  FdTable,
  FileDescriptor,
  type HandleFailure,
  Socket,
  Task,
} from "@rsyscall/handle";
import type { Random } from "@rsyscall/harness";
import { Address, Fd, Pid } from "@rsyscall/near";
import type { StubCall } from "@rsyscall/stub-server";
import { Environment, type LocalThread, NativeLoader, once, Thread } from "@rsyscall/thread";
import { type Context, Effect, Scope } from "effect";
import { Liar } from "./liar.ts";

/** A Thread of a process that lies, and all that an operation needs besides. */
export class World {
  readonly random: Random;
  readonly liar: Liar;
  readonly task: Task;
  readonly thread: Thread;
  readonly epoller: Effect.Effect<Epoller, HandleFailure>;
  #fd = 10;

  constructor(
    random: Random,
    local: Context.Service.Shape<typeof LocalThread>,
    scope: Scope.Scope,
  ) {
    this.random = random;
    this.liar = new Liar(random);
    const { sysif, allocator } = this.liar;
    this.task = new Task({
      sysif,
      pid: Pid(4321),
      fdTable: new FdTable(4321),
      addressSpace: new AddressSpace(4321),
      namespaces: makeNamespaces({}),
      allocator,
      pageSize: 4096,
      sigmask: new Set(),
    });
    const { task } = this;
    const loop = { hold: () => {}, letGo: () => {} };
    this.epoller = once(Scope.provide(Epoller.makeRoot(this.fd(Epoll), loop), scope));
    const [stdin, stdout, stderr] = [0, 1, 2].map((fd) => new FileDescriptor(task, Fd(fd)));
    this.thread = new Thread({
      task,
      connection: this.#connection(local),
      memory: undefined,
      loader: NativeLoader.makeFromSymbols(task, { server: Address(0x401000) }),
      epoller: () => this.epoller,
      environ: Environment.fromRecord({ PATH: "/bin:/usr/bin", TMPDIR: "/tmp" }),
      stdin: stdin as FileDescriptor,
      stdout: stdout as FileDescriptor,
      stderr: stderr as FileDescriptor,
      scope,
      beforeChildren: () => Effect.void,
      ancestor: undefined,
    });
  }

  /** A descriptor of the task. */
  fd<A extends FileDescriptor = FileDescriptor>(
    kind: FdClass<A> = FileDescriptor as unknown as FdClass<A>,
  ): A {
    return new kind(this.task, Fd(this.#fd++));
  }

  /** An asynchronous one. */
  afd<A extends FileDescriptor>(kind: FdClass<A>) {
    return Effect.flatMap(this.epoller, (epoller) =>
      AsyncFileDescriptor.make(epoller, this.fd(kind)),
    );
  }

  /** A caller of a stub, as far as services use it. */
  get call(): StubCall {
    return { thread: this.thread, argv: ["a", "b"], ended: Effect.never } as unknown as StubCall;
  }

  /** Our ends are real; theirs are numbers of the liar. */
  #connection(local: Context.Service.Shape<typeof LocalThread>): Connection {
    const ours = local.connection;
    const theirs = (fds: ReadonlyArray<unknown>) =>
      Effect.sync(() => fds.map(() => this.fd(FileDescriptor)));
    const openChannels: Connection["openChannels"] = (count) =>
      Effect.flatMap(ours.openChannels(count), (channels) =>
        // No server is at the other end: a child that is silent would be waited for.
        Effect.forEach(channels, ([access, far]) =>
          Effect.as(far.release(), [access, this.fd(Socket)] as [Socket, Socket]),
        ),
      );
    return {
      accessTask: ours.accessTask,
      accessEpoller: ours.accessEpoller,
      canPass: this.random.unit() < 0.5,
      openChannels,
      openAsyncChannels: (count) =>
        Effect.flatMap(openChannels(count), (channels) =>
          Effect.forEach(channels, ([access, task]) =>
            Effect.map(AsyncFileDescriptor.make(ours.accessEpoller, access), (afd) => [afd, task]),
          ),
        ) as never,
      extendTo: () => this.thread.connection,
      passTo: theirs,
      // What it hands over is something, and nothing that it should be.
      passFrom: (fds) => Effect.forEach(fds, () => local.open("/dev/null")),
    };
  }
}
