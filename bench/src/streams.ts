import { spawn } from "node:child_process";
import { createServer, type Server } from "node:net";
import { AF, SOCK } from "@rsyscall/abi";
import { bindUnix, Socket } from "@rsyscall/handle";
import { Command, type Thread } from "@rsyscall/thread";
import { Effect, Stream } from "effect";
import { client, pipeReads } from "./cPrograms.ts";
import { apart, pinned } from "./cpus.ts";
import { interleaved, timed } from "./interleaved.ts";
import type { Row } from "./Row.ts";
import type { Remotes } from "./remote.ts";

/** MiB that go through a pipe at a time. */
const AMOUNT = 64;

const bytes = AMOUNT * 2 ** 20;

const head = "/usr/bin/head";

const args = ["-c", String(bytes), "/dev/zero"];

/** A program writes into a pipe of a thread, and we read it. */
const throughPipe = (thread: Thread) =>
  Effect.scoped(
    Effect.gen(function* () {
      const [reader, writer] = yield* thread.pipe();
      const child = yield* thread.fork();
      yield* (yield* writer.inherit(child)).dup3(child.stdout);
      yield* child.exec(Command.make(head, ...args));
      yield* writer.close();
      const from = yield* thread.makeAfd(reader);
      const read = yield* Stream.runFold(
        from.stream(),
        () => 0,
        (sum, part: Uint8Array) => sum + part.length,
      );
      if (read !== bytes) throw new Error(`${read} bytes of ${bytes}`);
      yield* child.process.wait();
    }),
  );

/** The same by child_process. */
const throughNode = Effect.callback<void>((resume) => {
  let read = 0;
  const child = spawn(head, args, { stdio: ["ignore", "pipe", "inherit"] });
  child.stdout.on("data", (part: Buffer) => {
    read += part.length;
  });
  child.on("close", () => {
    if (read !== bytes) throw new Error(`${read} bytes of ${bytes}`);
    resume(Effect.void);
  });
});

const pipes = ({ local, ring }: Remotes, scale: number) =>
  Effect.gen(function* () {
    const rounds = Math.ceil(scale / 3);
    const all = yield* interleaved({
      local: timed(rounds, throughPipe(local), AMOUNT),
      remote: timed(rounds, throughPipe(ring), AMOUNT),
      node: timed(rounds, throughNode, AMOUNT),
      floor: () => pipeReads(rounds, AMOUNT),
    });
    const floor = { name: "the same in C", samples: all.floor };
    const instead = { name: "child_process's stdout", samples: all.node };
    const rows: Array<Row> = [
      {
        name: "1 MiB out of a pipe of a program's, here",
        unit: "ns",
        samples: all.local,
        floor,
        instead,
        aims: [{ ofInstead: 1 }],
      },
      {
        name: "1 MiB out of a pipe in a stub",
        unit: "ns",
        samples: all.remote,
        floor,
        instead,
        aims: [{ ofInstead: 2 }],
      },
    ];
    return rows;
  });

/** An echo server in a thread. */
const echoServer = (thread: Thread, path: string) =>
  Effect.gen(function* () {
    const socket = yield* Socket.make(thread.task, AF.UNIX, SOCK.STREAM);
    yield* bindUnix(socket, path);
    yield* socket.listen(8);
    const listening = yield* thread.makeAfd(socket);
    const serve = Effect.flatMap(listening.accept(), (afd) =>
      Stream.run(afd.stream(), afd.sendSink()),
    );
    yield* Effect.forkScoped(Effect.forever(Effect.scoped(serve)));
  });

const nodeEchoServer = (path: string) =>
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer((socket) => {
        socket.on("data", (part) => socket.write(part));
      });
      server.listen(path, () => resume(Effect.succeed(server)));
    }),
    (server) => Effect.sync(() => server.close()),
  );

/** The client is on the other CPU, with the stub: a wake-up across CPUs costs several times what it costs on one. */
const echoes = ({ local, ring }: Remotes, directory: string, scale: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const count = 400 * scale;
      yield* echoServer(local, `${directory}/here`);
      yield* echoServer(ring, `${directory}/there`);
      yield* nodeEchoServer(`${directory}/node`);
      const all = yield* pinned(
        [local, ring],
        apart,
        interleaved({
          local: client("echo", apart[1], `${directory}/here`, count),
          remote: client("echo", apart[1], `${directory}/there`, count),
          node: client("echo", apart[1], `${directory}/node`, count),
        }),
      );
      const instead = { name: "net of Node", samples: all.node };
      const rows: Array<Row> = [
        {
          name: "echo of a Unix socket, here",
          unit: "ns",
          samples: all.local,
          instead,
          aims: [{ ofInstead: 0.5 }],
        },
        { name: "echo of a Unix socket in a stub", unit: "ns", samples: all.remote, instead },
      ];
      return rows;
    }),
  );

/** A server in a thread that takes connections, and closes them. */
const acceptor = (thread: Thread, path: string) =>
  Effect.gen(function* () {
    const socket = yield* Socket.make(thread.task, AF.UNIX, SOCK.STREAM);
    yield* bindUnix(socket, path);
    yield* socket.listen(8);
    const listening = yield* thread.makeAfd(socket);
    yield* Effect.forkScoped(Effect.forever(Effect.scoped(listening.accept())));
  });

const nodeAcceptor = (path: string) =>
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer((socket) => socket.destroy());
      server.listen(path, () => resume(Effect.succeed(server)));
    }),
    (server) => Effect.sync(() => server.close()),
  );

const accepts = ({ local, ring }: Remotes, directory: string, scale: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const count = 200 * scale;
      const paths = ["here", "there", "node"].map((name) => `${directory}/accept-${name}`);
      const [here, there, node] = paths as [string, string, string];
      yield* acceptor(local, here);
      yield* acceptor(ring, there);
      yield* nodeAcceptor(node);
      const all = yield* pinned(
        [local, ring],
        apart,
        interleaved({
          local: client("connect", apart[1], here, count),
          remote: client("connect", apart[1], there, count),
          node: client("connect", apart[1], node, count),
        }),
      );
      const instead = { name: "net of Node", samples: all.node };
      const rows: Array<Row> = [
        {
          name: "connecting to here, accepted and closed",
          unit: "ns",
          samples: all.local,
          instead,
          aims: [{ ofInstead: 0.8 }],
        },
        {
          name: "connecting to a stub, accepted and closed",
          unit: "ns",
          samples: all.remote,
          instead,
        },
      ];
      return rows;
    }),
  );

/** Bytes through pipes and sockets, and new connections. */
export const streams = (remotes: Remotes, directory: string, scale: number) =>
  Effect.map(
    Effect.all([
      pipes(remotes, scale),
      echoes(remotes, directory, scale),
      accepts(remotes, directory, scale),
    ]),
    (rows) => rows.flat(),
  );
