import {
  AF,
  type Control,
  EPOLL,
  Errno,
  IFF,
  IFNAMSIZ,
  IP_MTU_DISCOVER,
  IP_PKTINFO,
  IP_RECVERR,
  IP_RECVTOS,
  IP_RECVTTL,
  IP_TOS,
  IP_TTL,
  IPPROTO,
  IPV6_RECVHOPLIMIT,
  IPV6_RECVPKTINFO,
  IPV6_V6ONLY,
  ifreqs,
  MSG,
  type ReadableOption,
  SHUT,
  SIOC,
  SO,
  SO_ACCEPTCONN,
  SO_BROADCAST,
  SO_COOKIE,
  SO_DOMAIN,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_PASSCRED,
  SO_PASSPIDFD,
  SO_PRIORITY,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_RCVLOWAT,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDTIMEO,
  SO_TIMESTAMP,
  SO_TIMESTAMPNS,
  SO_TYPE,
  SOCK,
  SOL,
  type Sockaddr,
  TCP_CONGESTION,
  TCP_INFO,
  TCP_KEEPIDLE,
  TCP_MAXSEG,
  TCP_NODELAY,
  TCP_STATE,
  TCP_USER_TIMEOUT,
  type WritableOption,
} from "@rsyscall/abi";
import { pipe, pollNow, type ReceivedMessage, Socket } from "@rsyscall/handle";
import { begin } from "@rsyscall/harness";
import { catchErrno, type SyscallError } from "@rsyscall/near";
import type { Thread } from "@rsyscall/thread";
import { Effect, Fiber } from "effect";
import { assert } from "vitest";
import { inEachKind } from "./kinds.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

/** The errno with which the kernel refuses a call. */
const errnoOf = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(call), (error) => (error as unknown as SyscallError).errno);

const inet = { family: "inet", address: "127.0.0.1", port: 0 } as const;
const inet6 = { family: "inet6", address: "::1", port: 0 } as const;

/** Sockets of a family that are bound to a free port, and their addresses. */
const bound = (thread: Thread, address: typeof inet | typeof inet6, type: number) =>
  Effect.gen(function* () {
    const domain = address.family === "inet" ? AF.INET : AF.INET6;
    const socket = yield* Socket.make(thread, domain, type);
    return [socket, yield* socket.bindFree<Sockaddr>(address)] as const;
  });

/** Two ends of a TCP connection, and the socket that listens. */
const connected = (thread: Thread, address: typeof inet | typeof inet6 = inet) =>
  Effect.gen(function* () {
    const [listener, name] = yield* bound(thread, address, SOCK.STREAM);
    yield* listener.listen(5);
    const client = yield* Socket.make(thread, address === inet ? AF.INET : AF.INET6, SOCK.STREAM);
    yield* client.connect(name);
    const [server, peer] = yield* listener.acceptFrom();
    return { listener, name, client, server, peer };
  });

/** Options that are set, and what the kernel gives for them then. */
const options: ReadonlyArray<
  readonly [
    name: string,
    domain: number,
    type: number,
    option: ReadableOption<unknown> & WritableOption<never>,
    value: unknown,
    given?: unknown,
  ]
> = [
  ["a truth value", AF.INET, SOCK.STREAM, SO_KEEPALIVE, true],
  ["a truth value that was true", AF.INET, SOCK.STREAM, SO_REUSEADDR, false],
  ["a truth value of UDP", AF.INET, SOCK.DGRAM, SO_BROADCAST, true],
  ["a struct", AF.INET, SOCK.STREAM, SO_LINGER, { on: true, seconds: 7 }],
  ["a time", AF.UNIX, SOCK.STREAM, SO_RCVTIMEO, { seconds: 3, microseconds: 500_000 }],
  ["a time without limit", AF.INET, SOCK.DGRAM, SO_SNDTIMEO, { seconds: 0, microseconds: 0 }],
  ["a number", AF.INET, SOCK.STREAM, SO_RCVLOWAT, 5],
  ["a number that the kernel doubles", AF.INET, SOCK.STREAM, SO_RCVBUF, 8192, 16384],
  ["a number of all sockets", AF.INET, SOCK.DGRAM, SO_PRIORITY, 5],
  ["a truth value of TCP", AF.INET, SOCK.STREAM, TCP_NODELAY, true],
  ["a number of TCP", AF.INET6, SOCK.STREAM, TCP_KEEPIDLE, 77],
  ["a number of 32 bits of TCP", AF.INET, SOCK.STREAM, TCP_USER_TIMEOUT, 12_345],
  ["a name", AF.INET, SOCK.STREAM, TCP_CONGESTION, "reno"],
  ["a number of IP", AF.INET, SOCK.DGRAM, IP_TTL, 33],
  ["a byte of IP", AF.INET, SOCK.DGRAM, IP_TOS, 0x10],
  ["a choice of IP", AF.INET, SOCK.DGRAM, IP_MTU_DISCOVER, 2],
  ["a truth value of IPv6", AF.INET6, SOCK.DGRAM, IPV6_V6ONLY, true],
];

/** Options that the kernel gives of a new socket. */
const facts: ReadonlyArray<
  readonly [name: string, option: ReadableOption<unknown>, domain: number, value: unknown]
> = [
  ["its type", SO_TYPE, AF.UNIX, SOCK.DGRAM],
  ["its family", SO_DOMAIN, AF.INET6, AF.INET6],
  ["its protocol", SO_PROTOCOL, AF.INET, IPPROTO.UDP],
  ["that it does not listen", SO_ACCEPTCONN, AF.UNIX, false],
  ["that it has no error", SO_ERROR, AF.INET, 0],
];

/** Calls that the kernel refuses. */
const refusals: ReadonlyArray<
  readonly [
    name: string,
    errno: keyof typeof Errno,
    call: (thread: Thread) => Effect.Effect<unknown, unknown, import("effect").Scope.Scope>,
  ]
> = [
  [
    "an address that no interface has",
    "EADDRNOTAVAIL",
    (thread) =>
      Effect.flatMap(Socket.make(thread, AF.INET, SOCK.STREAM), (socket) =>
        socket.bind({ family: "inet", address: "192.0.2.1", port: 0 }),
      ),
  ],
  [
    "an address of another family",
    "EINVAL",
    (thread) =>
      Effect.flatMap(Socket.make(thread, AF.INET6, SOCK.STREAM), (socket) =>
        socket.bind({ family: AF.INET6, data: new Uint8Array(4) }),
      ),
  ],
  [
    "a second address",
    "EINVAL",
    (thread) => Effect.flatMap(bound(thread, inet, SOCK.STREAM), ([socket]) => socket.bind(inet)),
  ],
  [
    "an address that is taken",
    "EADDRINUSE",
    (thread) =>
      Effect.flatMap(bound(thread, inet, SOCK.DGRAM), ([, name]) =>
        Effect.flatMap(Socket.make(thread, AF.INET, SOCK.DGRAM), (socket) => socket.bind(name)),
      ),
  ],
  [
    "a family that does not exist",
    "EAFNOSUPPORT",
    (thread) => Socket.make(thread, 46, SOCK.STREAM),
  ],
  [
    "a protocol that the type does not have",
    "EPROTONOSUPPORT",
    (thread) => Socket.make(thread, AF.INET, SOCK.STREAM, IPPROTO.UDP),
  ],
  [
    "an accept without listen",
    "EINVAL",
    (thread) =>
      Effect.flatMap(bound(thread, inet, SOCK.STREAM), ([socket]) =>
        Effect.andThen(socket.setNonblock(), socket.accept()),
      ),
  ],
  [
    "a connection to a port where nothing listens",
    "ECONNREFUSED",
    (thread) =>
      Effect.flatMap(bound(thread, inet, SOCK.STREAM), ([, name]) =>
        Effect.flatMap(Socket.make(thread, AF.INET, SOCK.STREAM), (socket) => socket.connect(name)),
      ),
  ],
  [
    "bytes to no address",
    "EDESTADDRREQ",
    (thread) =>
      Effect.flatMap(Socket.make(thread, AF.INET, SOCK.DGRAM), (socket) =>
        socket.sendBytes(bytes("x")),
      ),
  ],
  [
    "a datagram that is too large",
    "EMSGSIZE",
    (thread) =>
      Effect.flatMap(bound(thread, inet, SOCK.DGRAM), ([socket, name]) =>
        socket.sendTo(new Uint8Array(65_508), name),
      ),
  ],
  [
    "a broadcast without SO_BROADCAST",
    "EACCES",
    (thread) =>
      Effect.flatMap(Socket.make(thread, AF.INET, SOCK.DGRAM), (socket) =>
        socket.sendTo(bytes("x"), { family: "inet", address: "255.255.255.255", port: 9 }),
      ),
  ],
  [
    "a receive on a stream without connection",
    "ENOTCONN",
    (thread) =>
      Effect.flatMap(Socket.make(thread, AF.INET, SOCK.STREAM), (socket) =>
        socket.recvBytes(1, MSG.DONTWAIT),
      ),
  ],
  [
    "a shutdown without connection",
    "ENOTCONN",
    (thread) =>
      Effect.flatMap(Socket.make(thread, AF.INET, SOCK.STREAM), (socket) =>
        socket.shutdown(SHUT.WR),
      ),
  ],
  [
    "an option of TCP on a Unix socket",
    "EOPNOTSUPP",
    (thread) =>
      Effect.flatMap(Socket.make(thread, AF.UNIX, SOCK.STREAM), (socket) =>
        socket.getOption(TCP_INFO),
      ),
  ],
  [
    "an option of no protocol",
    "ENOPROTOOPT",
    (thread) =>
      Effect.flatMap(Socket.make(thread, AF.INET, SOCK.STREAM), (socket) =>
        socket.getOption(SOL.SOCKET, 9999),
      ),
  ],
  [
    "a congestion control that there is not",
    "ENOENT",
    (thread) =>
      Effect.flatMap(Socket.make(thread, AF.INET, SOCK.STREAM), (socket) =>
        socket.setOption(TCP_CONGESTION, "none-such"),
      ),
  ],
  [
    "an interface that there is not",
    "ENODEV",
    (thread) =>
      Effect.flatMap(Socket.make(thread, AF.INET, SOCK.DGRAM), (socket) =>
        socket.ifreq(SIOC.GIFFLAGS, "none", ifreqs.flags),
      ),
  ],
  [
    "a socket at a path that is no socket",
    "ECONNREFUSED",
    (thread) =>
      Effect.flatMap(thread.mkstemp(), ({ path }) =>
        Effect.flatMap(Socket.make(thread, AF.UNIX, SOCK.STREAM), (socket) =>
          socket.connect({ family: "unix", path: path.toString() }),
        ),
      ),
  ],
  [
    "a path of no file",
    "ENOENT",
    (thread) =>
      Effect.flatMap(Socket.make(thread, AF.UNIX, SOCK.DGRAM), (socket) =>
        socket.sendTo(bytes("x"), { family: "unix", path: "/none/such" }),
      ),
  ],
];

/** Control messages that an option asks for, of datagrams that the socket sends to itself. */
const controls: ReadonlyArray<
  readonly [
    name: string,
    address: typeof inet | typeof inet6,
    option: WritableOption<boolean>,
    check: (control: Control, thread: Thread) => void,
  ]
> = [
  [
    "the interface and the destination",
    inet,
    IP_PKTINFO,
    ({ IP_PKTINFO: info }) =>
      assert.deepInclude(info, { specDst: "127.0.0.1", address: "127.0.0.1" }),
  ],
  [
    "the interface and the destination of IPv6",
    inet6,
    IPV6_RECVPKTINFO,
    ({ IPV6_PKTINFO: info }) => assert.equal(info?.address, "::1"),
  ],
  ["the time to live", inet, IP_RECVTTL, ({ IP_TTL }) => assert.equal(IP_TTL, 64)],
  [
    "the hop limit",
    inet6,
    IPV6_RECVHOPLIMIT,
    ({ IPV6_HOPLIMIT }) => assert.equal(IPV6_HOPLIMIT, 64),
  ],
  ["the type of service", inet, IP_RECVTOS, ({ IP_TOS }) => assert.equal(IP_TOS, 0)],
  [
    "a time in microseconds",
    inet,
    SO_TIMESTAMP,
    ({ SCM_TIMESTAMP: time }) => assert.closeTo(time?.seconds ?? 0, Date.now() / 1000, 5),
  ],
  [
    "a time in nanoseconds",
    inet,
    SO_TIMESTAMPNS,
    ({ SCM_TIMESTAMPNS: time }) => assert.closeTo(time?.seconds ?? 0, Date.now() / 1000, 5),
  ],
];

inEachKind((it) => {
  for (const [name, domain, type, option, value, given = value] of options)
    it(`an option that is ${name}: ${option.name}`, function* (thread) {
      const socket = yield* Socket.make(thread, domain, type);
      yield* socket.setOption(option, value as never);
      assert.deepEqual(yield* socket.getOption(option), given);
    });

  for (const [name, option, domain, value] of facts)
    it(`a socket tells ${name}`, function* (thread) {
      const socket = yield* Socket.make(thread, domain, SOCK.DGRAM);
      assert.deepEqual(yield* socket.getOption(option), value);
    });

  for (const [name, errno, call] of refusals)
    it(`${errno} for ${name}`, function* (thread) {
      assert.equal(yield* errnoOf(call(thread)), errno);
    });

  for (const [name, address, option, check] of controls)
    it(`a datagram comes with ${name}`, function* (thread) {
      const [socket, own] = yield* bound(thread, address, SOCK.DGRAM);
      yield* socket.setOption(option, true);
      yield* socket.sendTo(bytes("hello"), own);
      const message = yield* socket.receiveMessage();
      assert.deepEqual([text(message.bytes), message.flags], ["hello", 0]);
      assert.deepEqual(message.address, own);
      check(message.control, thread);
    });

  for (const address of [inet, inet6])
    it(`an unconnected ${address.family} server answers each client`, function* (thread) {
      const [server, name] = yield* bound(thread, address, SOCK.DGRAM);
      const clients = [
        yield* bound(thread, address, SOCK.DGRAM),
        yield* bound(thread, address, SOCK.DGRAM),
      ];
      for (const [i, [client]] of clients.entries())
        yield* client.sendTo(bytes(`client ${i}`), name);
      for (const [i, [client, own]] of clients.entries()) {
        const request = yield* server.receiveFrom();
        assert.deepEqual([text(request.bytes), request.address], [`client ${i}`, own]);
        yield* server.sendTo(bytes(`server ${i}`), own);
        const answer = yield* client.receiveFrom();
        assert.deepEqual([text(answer.bytes), answer.address], [`server ${i}`, name]);
      }
    });

  for (const address of [inet, inet6])
    it(`accept tells the address of an ${address.family} peer`, function* (thread) {
      const { client, server, peer } = yield* connected(thread, address);
      assert.deepEqual(peer, yield* client.address());
      assert.deepEqual(yield* server.peerAddress(), peer);
    });

  it("a connected datagram socket hears its peer only", function* (thread) {
    const [one, oneName] = yield* bound(thread, inet, SOCK.DGRAM);
    const [two, twoName] = yield* bound(thread, inet, SOCK.DGRAM);
    const [other] = yield* bound(thread, inet, SOCK.DGRAM);
    yield* one.connect(twoName);
    yield* other.sendTo(bytes("other"), oneName);
    yield* two.sendTo(bytes("peer"), oneName);
    assert.equal(text(yield* one.recvBytes()), "peer");
    assert.equal(yield* errnoOf(one.recvBytes(10, MSG.DONTWAIT)), "EAGAIN");
  });

  it("an empty datagram is received as one", function* (thread) {
    const [socket, own] = yield* bound(thread, inet, SOCK.DGRAM);
    yield* socket.sendTo(new Uint8Array(0), own);
    const { bytes: got, address } = yield* socket.receiveFrom();
    assert.deepEqual([got.length, address], [0, own]);
  });

  it("a datagram that does not fit is cut, and the rest is lost", function* (thread) {
    const [socket, own] = yield* bound(thread, inet, SOCK.DGRAM);
    for (const flags of [0, MSG.TRUNC]) {
      yield* socket.sendTo(bytes("0123456789"), own);
      const cut = yield* socket.receiveFrom(4, flags);
      assert.deepEqual([text(cut.bytes), cut.flags], ["0123", MSG.TRUNC]);
      assert.equal(cut.length, flags ? 10 : 4);
    }
    assert.equal(yield* errnoOf(socket.receiveFrom(4, MSG.DONTWAIT)), "EAGAIN");
  });

  it("MSG_PEEK leaves the datagram, and MSG_TRUNC tells its size", function* (thread) {
    const [socket, own] = yield* bound(thread, inet, SOCK.DGRAM);
    yield* socket.sendTo(bytes("peeked"), own);
    const { length } = yield* socket.receiveFrom(0, MSG.PEEK | MSG.TRUNC);
    assert.equal(length, 6);
    assert.equal(text((yield* socket.receiveFrom(length)).bytes), "peeked");
  });

  it("pieces are sent as one message, and received in pieces", function* (thread) {
    const [one, two] = yield* Socket.pair(thread, AF.UNIX, SOCK.SEQPACKET);
    const sent = yield* one.sendMessage({ bytes: [bytes("head"), bytes(""), bytes("body!")] });
    assert.equal(sent, 9);
    const { pieces, bytes: all, flags } = yield* two.receiveMessage({ size: [4, 3, 10, 5] });
    assert.deepEqual(pieces.map(text), ["head", "bod", "y!", ""]);
    assert.equal(text(all), "headbody!");
    assert.equal(flags & MSG.TRUNC, 0);
  });

  it("several messages are sent and received by one call each", function* (thread) {
    const [socket, own] = yield* bound(thread, inet, SOCK.DGRAM);
    const messages = ["a", "bc", "", "defg"].map((each) => ({ bytes: bytes(each), address: own }));
    assert.deepEqual(yield* socket.sendMessages(messages), [1, 2, 0, 4]);
    const received = yield* socket.receiveMessages(Array(8).fill({ size: 3 }));
    assert.deepEqual(
      received.map((each) => [text(each.bytes), each.flags & MSG.TRUNC]),
      [
        ["a", 0],
        ["bc", 0],
        ["", 0],
        ["def", MSG.TRUNC],
      ],
    );
    for (const { address } of received) assert.deepEqual(address, own);
  });

  it("descriptors come with the messages that they were sent with", function* (thread) {
    const [one, two] = yield* Socket.pair(thread, AF.UNIX, SOCK.DGRAM);
    const [reader, writer] = yield* pipe(thread);
    yield* one.sendMessages([
      { bytes: bytes("1"), fds: [reader] },
      { bytes: bytes("2"), fds: [writer] },
    ]);
    const received = yield* two.receiveMessages([{ fds: 1 }, { fds: 1 }]);
    const inodes = [];
    for (const { fds } of received) inodes.push((yield* (fds[0] as typeof reader).fstat()).ino);
    assert.deepEqual(inodes, [(yield* reader.fstat()).ino, (yield* writer.fstat()).ino]);
  });

  it("descriptors of a message that is cut are given or closed", function* (thread) {
    const [one, two] = yield* Socket.pair(thread, AF.UNIX, SOCK.DGRAM);
    const [reader, writer] = yield* pipe(thread);
    const receive = (most: number) =>
      Effect.scoped(
        Effect.gen(function* () {
          yield* one.sendFds(bytes("0123456789"), [writer, writer]);
          const { bytes: got, fds, flags } = yield* two.receiveMessage({ size: 4, fds: most });
          assert.deepEqual([got.length, fds.length, flags & MSG.TRUNC], [4, most, MSG.TRUNC]);
          assert.equal(flags & MSG.CTRUNC, most < 2 ? MSG.CTRUNC : 0);
        }),
      );
    for (const most of [0, 1, 2]) yield* receive(most);
    yield* Effect.scoped(Effect.andThen(one.sendFds(bytes("from"), [writer]), two.receiveFrom()));
    // The kernel tells that no copy of the writing end is left.
    yield* writer.close();
    assert.equal((yield* reader.readBytes()).length, 0);
  });

  it("credentials come with every message", function* (thread) {
    const [one, two] = yield* Socket.pair(thread, AF.UNIX, SOCK.DGRAM);
    yield* two.setOption(SO_PASSCRED, true);
    yield* one.sendMessage({ bytes: bytes("x") });
    const { control } = yield* two.receiveMessage();
    assert.equal(control.SCM_CREDENTIALS?.pid, thread.task.pid);
  });

  it("credentials are sent as the process has them", function* (thread) {
    const [one, two] = yield* Socket.pair(thread, AF.UNIX, SOCK.DGRAM);
    yield* two.setOption(SO_PASSCRED, true);
    const { pid } = thread.task;
    const own = { pid, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    yield* one.sendMessage({ bytes: bytes("x"), control: { SCM_CREDENTIALS: own } });
    assert.deepEqual((yield* two.receiveMessage()).control, { SCM_CREDENTIALS: own });
  });

  it("the pidfd of the sender comes with a message", function* (thread) {
    const [one, two] = yield* Socket.pair(thread, AF.UNIX, SOCK.DGRAM);
    const has = yield* two.setOption(SO_PASSPIDFD, true).pipe(
      Effect.as(true),
      catchErrno("ENOPROTOOPT", () => Effect.succeed(false)),
    );
    yield* one.sendBytes(bytes("x"));
    const { pidfd } = yield* two.receiveMessage();
    assert.equal(pidfd !== undefined, has);
    if (pidfd !== undefined) yield* pidfd.sendSignal(0);
    // A message whose pidfd is not asked for leaves none.
    yield* one.sendBytes(bytes("x"));
    const { flags } = yield* two.receiveFds(10, 0);
    assert.equal(flags, has ? MSG.CTRUNC : 0);
  });

  it("control messages that do not fit are told", function* (thread) {
    const [socket, own] = yield* bound(thread, inet, SOCK.DGRAM);
    yield* socket.setOption(IP_PKTINFO, true);
    yield* socket.setOption(IP_RECVTTL, true);
    yield* socket.setOption(SO_TIMESTAMPNS, true);
    yield* socket.sendTo(bytes("x"), own);
    const { flags } = yield* socket.receiveMessage({ control: 0 });
    assert.equal(flags, MSG.CTRUNC);
  });

  it("a datagram goes out from the address that IP_PKTINFO names", function* (thread) {
    const [server, name] = yield* bound(thread, inet, SOCK.DGRAM);
    const client = yield* Socket.make(thread, AF.INET, SOCK.DGRAM);
    const control: Control = { IP_PKTINFO: { ifindex: 0, specDst: "127.0.0.5" } };
    yield* client.sendMessage({ bytes: bytes("x"), address: name, control });
    assert.deepInclude((yield* server.receiveFrom()).address, { address: "127.0.0.5" });
  });

  it("a refused datagram is told by the error queue", function* (thread) {
    const [gone, name] = yield* bound(thread, inet, SOCK.DGRAM);
    const client = yield* Socket.make(thread, AF.INET, SOCK.DGRAM);
    yield* client.setOption(IP_RECVERR, true);
    yield* client.connect(name);
    yield* gone.close();
    yield* client.sendBytes(bytes("anybody?"));
    const { control, flags, address } = yield* client.receiveMessage({}, MSG.ERRQUEUE);
    assert.equal(flags & MSG.ERRQUEUE, MSG.ERRQUEUE);
    assert.deepInclude(control.IP_RECVERR, { errno: Errno.ECONNREFUSED, origin: 2 });
    assert.deepInclude(control.IP_RECVERR?.offender, { address: "127.0.0.1" });
    assert.deepEqual(address, name);
  });

  it("SO_ERROR gives the error of a connection once", function* (thread) {
    const [gone, name] = yield* bound(thread, inet, SOCK.DGRAM);
    const client = yield* Socket.make(thread, AF.INET, SOCK.DGRAM);
    yield* client.connect(name);
    yield* gone.close();
    yield* client.sendBytes(bytes("x"));
    assert.equal(yield* client.getOption(SO_ERROR), Errno.ECONNREFUSED);
    assert.equal(yield* client.getOption(SO_ERROR), 0);
  });

  it("TCP_INFO tells the state and the bytes of a connection", function* (thread) {
    const { listener, client, server } = yield* connected(thread);
    assert.equal((yield* listener.getOption(TCP_INFO)).state, TCP_STATE.LISTEN);
    yield* client.sendAllBytes(bytes("0123456789"));
    assert.equal((yield* server.recvBytes()).length, 10);
    const info = yield* server.getOption(TCP_INFO);
    assert.deepEqual([info.state, info.bytesReceived], [TCP_STATE.ESTABLISHED, 10n]);
    yield* client.shutdown(SHUT.WR);
    assert.equal((yield* server.recvBytes()).length, 0);
    assert.equal((yield* server.getOption(TCP_INFO)).state, TCP_STATE.CLOSE_WAIT);
    assert.isAbove(yield* client.getOption(TCP_MAXSEG), 500);
  });

  it("SO_LINGER with 0 seconds resets the connection", function* (thread) {
    const { client, server } = yield* connected(thread);
    yield* client.setOption(SO_LINGER, { on: true, seconds: 0 });
    yield* client.close();
    assert.equal(yield* errnoOf(server.recvBytes()), "ECONNRESET");
  });

  it("bytes to a peer that is gone are EPIPE, without a signal", function* (thread) {
    const [one, two] = yield* Socket.pair(thread);
    yield* two.close();
    assert.equal(yield* errnoOf(one.sendBytes(bytes("x"))), "EPIPE");
    assert.equal(yield* errnoOf(one.sendAllBytes(bytes("x"))), "EPIPE");
    assert.equal(yield* errnoOf(one.sendMessages([{ bytes: bytes("x") }])), "EPIPE");
  });

  it("half of a connection can be shut down", function* (thread) {
    const { client, server } = yield* connected(thread);
    yield* client.shutdown(SHUT.WR);
    assert.equal((yield* server.recvBytes()).length, 0);
    assert.equal(yield* errnoOf(client.sendBytes(bytes("x"))), "EPIPE");
    yield* server.sendAllBytes(bytes("still"));
    assert.equal(text(yield* client.recvBytes()), "still");
  });

  it("out-of-band data comes by MSG_OOB", function* (thread) {
    const { client, server } = yield* connected(thread);
    yield* client.sendBytes(bytes("ab!"), MSG.OOB);
    assert.equal(text(yield* server.recvBytes(10)), "ab");
    assert.equal(text(yield* server.recvBytes(1, MSG.OOB)), "!");
  });

  it("MSG_WAITALL waits for all of the bytes", function* (thread) {
    const [one, two] = yield* Socket.pair(thread);
    yield* one.sendAllBytes(bytes("0123"));
    yield* one.sendAllBytes(bytes("4567"));
    assert.equal(text(yield* two.recvBytes(8, MSG.WAITALL)), "01234567");
  });

  it("a receive with SO_RCVTIMEO ends with EAGAIN", function* (thread) {
    const [, two] = yield* Socket.pair(thread);
    yield* two.setOption(SO_RCVTIMEO, { seconds: 0, microseconds: 2000 });
    // In this process the event loop waits in place of the kernel, without that limit.
    if (thread.task.patience === undefined) assert.equal(yield* errnoOf(two.recvBytes()), "EAGAIN");
    else assert.equal(yield* errnoOf(two.recvBytes(1, MSG.DONTWAIT)), "EAGAIN");
  });

  it("two sockets share a port with SO_REUSEPORT", function* (thread) {
    const first = yield* Socket.make(thread, AF.INET, SOCK.STREAM);
    const second = yield* Socket.make(thread, AF.INET, SOCK.STREAM);
    for (const socket of [first, second]) yield* socket.setOption(SO_REUSEPORT, true);
    yield* second.bind(yield* first.bindFree(inet));
    assert.deepEqual(yield* first.address(), yield* second.address());
  });

  it("an abstract address and an unnamed socket have their names", function* (thread) {
    const server = yield* Socket.make(thread, AF.UNIX, SOCK.DGRAM);
    const path = `\0rsyscall-${thread.task.pid}`;
    assert.deepEqual(yield* server.bindFree({ family: "unix", path }), { family: "unix", path });
    const client = yield* Socket.make(thread, AF.UNIX, SOCK.DGRAM);
    assert.deepEqual(yield* client.address(), { family: "unix", path: "" });
    yield* client.sendTo(bytes("x"), { family: "unix", path });
    assert.isUndefined((yield* server.receiveFrom()).address);
  });

  it("the kernel chooses an abstract address for an empty one", function* (thread) {
    const socket = yield* Socket.make(thread, AF.UNIX, SOCK.DGRAM);
    const { path } = yield* socket.bindFree({ family: "unix", path: "" });
    assert.match(String(path), /^\0[0-9a-f]{5}$/);
  });

  it("AF_UNSPEC ends the connection of a datagram socket", function* (thread) {
    const [socket, own] = yield* bound(thread, inet, SOCK.DGRAM);
    yield* socket.connect(own);
    yield* socket.connect({ family: AF.UNSPEC, data: new Uint8Array(14) });
    assert.equal(yield* errnoOf(socket.peerAddress()), "ENOTCONN");
  });

  it("netlink sockets have a port, and the kernel has port 0", function* (thread) {
    const socket = yield* Socket.make(thread, AF.NETLINK, SOCK.RAW);
    const { pid } = yield* socket.bindFree({ family: "netlink", pid: 0, groups: 0 });
    assert.isAbove(pid, 0);
  });

  it("an address of an unknown family keeps its bytes", function* (thread) {
    const socket = yield* Socket.make(thread, AF.ALG, SOCK.SEQPACKET).pipe(
      catchErrno("EAFNOSUPPORT", () => Effect.undefined),
    );
    const name = { family: AF.ALG, data: new Uint8Array(86) };
    name.data.set(bytes("hash"));
    name.data.set(bytes("sha256"), 22);
    if (socket !== undefined) yield* socket.bind(name);
  });

  it("a cookie is of one socket only", function* (thread) {
    const [one, two] = yield* Socket.pair(thread);
    const cookies = [yield* one.getOption(SO_COOKIE), yield* two.getOption(SO_COOKIE)];
    assert.notEqual(cookies[0], cookies[1]);
    assert.equal(cookies[0], yield* one.getOption(SO_COOKIE));
  });

  it("a peer is known by its credentials and its pidfd", function* (thread) {
    const [one] = yield* Socket.pair(thread);
    assert.equal((yield* one.peerCredentials()).pid, thread.task.pid);
    const pidfd = yield* one.peerPidfd().pipe(
      catchErrno("ENOPROTOOPT", (error) => {
        assert.include(error.message, "Linux 6.5");
        return Effect.undefined;
      }),
    );
    if (pidfd !== undefined) yield* pidfd.sendSignal(0);
  });

  it("the raw form of an option is an int by its level and number", function* (thread) {
    const socket = yield* Socket.make(thread, AF.INET, SOCK.STREAM);
    yield* socket.setOption(SOL.SOCKET, SO.KEEPALIVE, 1);
    assert.equal(yield* socket.getOption(SOL.SOCKET, SO.KEEPALIVE), 1);
  });

  it("values and addresses that are none are refused before anything is sent", function* (thread) {
    const socket = yield* Socket.make(thread, AF.INET, SOCK.DGRAM);
    const refused: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }, never>> = [
      socket.setOption(SO_KEEPALIVE, 1 as never),
      socket.setOption(TCP_CONGESTION, "a".repeat(16)),
      socket.setOption(SO_RCVLOWAT, 2 ** 31),
      socket.sendTo(bytes("x"), { family: "inet", address: "1.2.3", port: 1 }),
      socket.sendTo(bytes("x"), { family: "inet", address: "1.2.3.4", port: 65_536 }),
      socket.sendTo(bytes("x"), { family: "ipx" } as never),
      socket.sendMessage({ bytes: "text" as never }),
      socket.sendMessage({ control: { IP_TTL: 2 ** 40 } }),
      socket.sendMessage({ control: { SOMETHING: 1 } as never }),
      Effect.scoped(socket.receiveMessage({ size: -1 })),
      Effect.scoped(socket.receiveMessage({ size: [1, Number.NaN] })),
      Effect.scoped(socket.receiveMessage({ fds: 1.5 })),
      Effect.scoped(socket.receiveMessages([{ control: -5 }])),
      socket.ifreq(SIOC.GIFFLAGS, "a".repeat(IFNAMSIZ), ifreqs.flags),
    ];
    for (const [i, each] of refused.entries())
      assert.equal((yield* Effect.flip(each))._tag, "InvalidArgumentError", `${i}`);
  });

  it("interfaces have numbers, names, flags and addresses", function* (thread) {
    const socket = yield* Socket.make(thread, AF.INET, SOCK.DGRAM);
    const { value: index } = yield* socket.ifreq(SIOC.GIFINDEX, "lo", ifreqs.int);
    assert.equal((yield* socket.ifreq(SIOC.GIFNAME, "", ifreqs.int, index)).name, "lo");
    const { value: flags } = yield* socket.ifreq(SIOC.GIFFLAGS, "lo", ifreqs.flags);
    assert.equal(flags & IFF.LOOPBACK, IFF.LOOPBACK);
    assert.equal((yield* socket.ifreq(SIOC.GIFMTU, "lo", ifreqs.int)).value, 65536);
  });
});

inEachKind((it) => {
  /** The two ends of a pair, asynchronous. */
  const ends = (thread: Thread, type: number = SOCK.STREAM) =>
    Effect.gen(function* () {
      const [one, two] = yield* Socket.pair(thread, AF.UNIX, type);
      return [yield* thread.makeAfd(one), yield* thread.makeAfd(two)] as const;
    });

  it("an asynchronous accept gives a socket that is awaited at once", function* (thread) {
    const [listening, name] = yield* bound(thread, inet, SOCK.STREAM);
    yield* listening.listen(5);
    const listener = yield* thread.makeAfd(listening);
    const accepting = yield* begin(listener.acceptFrom());
    const client = yield* thread.makeAfd(yield* Socket.make(thread, AF.INET, SOCK.STREAM));
    yield* client.connect(name);
    const [server, peer] = yield* Fiber.join(accepting);
    assert.deepEqual(peer, yield* client.handle.address());
    const reading = yield* begin(server.recvBytes());
    yield* client.sendBytes(bytes("hello"));
    assert.equal(text(yield* Fiber.join(reading)), "hello");
    yield* server.close();
  });

  it("asynchronous datagrams come with their addresses", function* (thread) {
    const [socket, own] = yield* bound(thread, inet, SOCK.DGRAM);
    const afd = yield* thread.makeAfd(socket);
    const receiving = yield* begin(afd.receiveFrom());
    yield* afd.sendTo(bytes("hello"), own);
    const { bytes: got, address } = yield* Fiber.join(receiving);
    assert.deepEqual([text(got), address], ["hello", own]);
  });

  it("asynchronous descriptors come with their bytes", function* (thread) {
    const [one, two] = yield* ends(thread);
    const [reader] = yield* pipe(thread);
    const receiving = yield* begin(two.receiveFds(10, 2));
    yield* one.sendFds(bytes("fds"), [reader, reader]);
    const { bytes: got, fds } = yield* Fiber.join(receiving);
    assert.deepEqual([text(got), fds.length], ["fds", 2]);
  });

  it("asynchronous messages are sent and received together", function* (thread) {
    const [one, two] = yield* ends(thread, SOCK.DGRAM);
    const receiving: Fiber.Fiber<ReadonlyArray<ReceivedMessage>, unknown> = yield* begin(
      two.receiveMessages([{}, {}, {}]),
    );
    yield* one.sendMessages([{ bytes: bytes("a") }, { bytes: bytes("b") }]);
    const first = yield* Fiber.join(receiving);
    const rest = first.length === 2 ? [] : yield* two.receiveMessages([{}, {}]);
    assert.deepEqual(
      [...first, ...rest].map((each) => text(each.bytes)),
      ["a", "b"],
    );
  });

  it("an asynchronous send waits for room, and a full queue of another socket is told", function* (thread) {
    const [one, two] = yield* ends(thread);
    const big = new Uint8Array(3_000_000).fill(7);
    const sending = yield* begin(one.sendAllBytes(big));
    let received = 0;
    while (received < big.length) received += (yield* two.recvBytes(1_000_000)).length;
    yield* Fiber.join(sending);

    const receiver = yield* Socket.make(thread, AF.UNIX, SOCK.DGRAM);
    const name = yield* receiver.bindFree({ family: "unix", path: "" });
    const sender = yield* thread.makeAfd(yield* Socket.make(thread, AF.UNIX, SOCK.DGRAM));
    const filling = Effect.forever(sender.sendTo(bytes("x"), name));
    assert.equal(yield* errnoOf(filling), "EAGAIN");
    assert.notEqual(yield* pollNow(sender.handle, EPOLL.OUT), 0);
  });
});
