/* The table of lies of a client, and the outcome that each must have. The liar (liar.mjs) tells them; meanwhile the
 * controller (controller.mjs) performs the operation that `use` names (controllerUses.mjs). */

/** The failure of a call whose task was hung up on. */
const HUNG_UP = /^failure: Syscall(Hangup|SendError)/;

/** The failure of a call for which the task claims a result that no kernel gives. */
const TYPED = /^failure: (Syscall|Size|OutOfSpace|WrongKind|UseAfterFree|Timeout)/;

const WRONG_KIND = /^failure: WrongKindError/;

/** Served over sockets, or through what was offered: it does not matter, and no process is harmed. */
const SERVED = /^success/;

const GONE = { dropped: /ended after|hung up|no complete hello|reset/ };

const MIB = 1 << 20;

/* Descriptors of each kind, as their numbers. */

const memfd = ({ kernel, place }, { flags = 2, size = MIB, seals = 2 | 4 } = {}) => {
  const fd = kernel("memfd_create", place(Buffer.from("lie\0")), flags);
  kernel("ftruncate", fd, size);
  if (seals !== 0) kernel("fcntl", fd, 1033, seals);
  return fd;
};
const open = ({ kernel, place }, path, flags = 0) =>
  kernel("openat", -100, place(Buffer.from(`${path}\0`)), flags, 0o600);
const pair = ({ kernel, place, readMemory }, name, ...args) => {
  const at = place(new Uint8Array(8));
  kernel(name, ...args, ...(name === "pipe2" ? [at, 0] : [at]));
  return [...new Int32Array(readMemory(at, 8).buffer)];
};
const socketPair = (tools, type) => pair(tools, "socketpair", 1, type, 0);
const epollWith = (tools, count, data, events = 1) => {
  const { kernel, place, words } = tools;
  const epoll = kernel("epoll_create1", 0);
  for (let i = 0; i < count; i++) {
    const fd = kernel("eventfd2", 1, 0);
    // Packed on x86-64 only.
    const word = process.arch === "x64" ? [4, 12] : [8, 16];
    const event = new Uint8Array(16);
    event.set(new Uint8Array(new Uint32Array([events]).buffer));
    event.set(words(typeof data === "function" ? data(i) : data), word[0]);
    kernel("epoll_ctl", epoll, 1, fd, place(event.subarray(0, word[1])));
  }
  return epoll;
};
const nested = (tools, depth) => {
  let inner = epollWith(tools, 1, 1);
  for (let i = 0; i < depth; i++) {
    const outer = tools.kernel("epoll_create1", 0);
    tools.kernel("epoll_ctl", outer, 1, inner, tools.place(new Uint8Array(16).fill(1)));
    inner = outer;
  }
  return inner;
};

const kinds = {
  "an eventfd": ({ kernel }) => kernel("eventfd2", 1, 0),
  "a timerfd": ({ kernel }) => kernel("timerfd_create", 1, 0),
  "an inotify instance": ({ kernel }) => kernel("inotify_init1", 0),
  "a pipe": (tools) => pair(tools, "pipe2")[0],
  "a stream socket": (tools) => socketPair(tools, 1)[0],
  "a datagram socket": (tools) => socketPair(tools, 2)[0],
  "a listening socket": ({ kernel, place }) => {
    const fd = kernel("socket", 1, 1, 0);
    // Bound to a name that the kernel chooses.
    kernel("bind", fd, place(new Uint8Array(new Uint16Array([1]).buffer)), 2);
    kernel("listen", fd, 1);
    return fd;
  },
  "a socket of TCP": ({ kernel }) => kernel("socket", 2, 1, 0),
  "a memfd": (tools) => memfd(tools),
  "a regular file": (tools) => open(tools, "/proc/self/exe"),
  "a directory": (tools) => open(tools, "/"),
  "a process's directory": (tools) => open(tools, `/proc/${process.ppid}`),
  "/dev/null": (tools) => open(tools, "/dev/null"),
  "a path": (tools) => open(tools, "/", 0o10000000),
};
/** A TCP socket whose last close(2) waits for a second, for bytes that its peer does not read. */
const lingering = (tools) => {
  const { kernel, place, concat, ints } = tools;
  const loopback = Uint8Array.of(2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  const listening = kernel("socket", 2, 1, 0);
  kernel("bind", listening, place(loopback), 16);
  kernel("listen", listening, 1);
  const at = place(concat(loopback, ints(16)));
  kernel("getsockname", listening, at, at + 16);
  const fd = kernel("socket", 2, 1, 0);
  kernel("connect", fd, at, 16);
  const bytes = place(new Uint8Array(64 * 1024));
  while (kernel("sendto", fd, bytes, 64 * 1024, 0x4040, 0, 0) > 0);
  kernel("setsockopt", fd, 1, 13, place(ints(1, 1)), 8);
  return fd;
};
const pidfd = ({ kernel }) => kernel("pidfd_open", process.pid, 0);

/** Rows that differ in one thing. */
const each = (things, row) =>
  Object.fromEntries(Object.entries(things).map(([name, thing]) => row(name, thing)));

/* Passing descriptors: each message has a number, and the descriptors come with it. */

/** Answers our sendmsg by sending a changed message instead. */
const sending = (make) => (tools) => ({
  sendmsg: ([fd, address]) => {
    const { data } = tools.messageAt(address);
    make({ ...tools, fd }, tools.readMemory(data, 4));
    return 4;
  },
});

const number = (id) => new Uint8Array(new Uint32Array([id]).buffer);

const passing = {
  "nothing is sent": [() => {}, HUNG_UP],
  "no descriptor": [({ send, fd }, id) => send(fd, id), TYPED],
  "two descriptors in place of one": [({ sendFds, fd }, id) => sendFds(fd, id, [0, 0]), SERVED],
  "250 descriptors in place of one": [
    ({ sendFds, fd }, id) => sendFds(fd, id, Array(250).fill(0)),
    SERVED,
  ],
  "half of a message": [({ sendFds, fd }, id) => sendFds(fd, id.subarray(0, 2), [0]), HUNG_UP],
  "message 0": [({ sendFds, fd }) => sendFds(fd, number(0), [0]), HUNG_UP],
  "a later message": [({ sendFds, fd }) => sendFds(fd, number(2 ** 32 - 1), [0]), HUNG_UP],
  "message 0, again and again": [
    ({ sendFds, fd }) => {
      for (let i = 0; i < 100; i++) sendFds(fd, number(0), [0], 0x40);
    },
    HUNG_UP,
  ],
  "100 KiB of zeros": [({ send, fd }) => send(fd, new Uint8Array(100 * 1024)), HUNG_UP],
  "the end of the socket": [({ kernel, fd }) => kernel("shutdown", fd, 1), HUNG_UP],
};

const wrongCounts = {
  0: 0,
  3: 3,
  5: 5,
  "2^31": 2 ** 31,
  "2^40": 2 ** 40,
  "-1": -1,
  "-4095": -4095,
  "-4096": -4096,
  "-2^31": -(2 ** 31),
};

/** Beyond what a number holds. */
const hugeCounts = {
  "2^53": 2n ** 53n,
  "2^62": 2n ** 62n,
  "2^63 - 1": 2n ** 63n - 1n,
  "-2^53": -(2n ** 53n),
  "-2^63": -(2n ** 63n),
};

/** Answers every system call with one and the same number, and memory as it is. */
const always = (result) => (tools) => {
  const memory = {
    SEND_ALL: ([, , length]) => (length > MIB ? tools.SILENCE : undefined),
    mmap: () => undefined,
    munmap: () => undefined,
  };
  const answer = (_, name) =>
    memory[name] ?? (name in { RECV_ALL: 1, COPY: 1 } ? undefined : () => result);
  return new Proxy({}, { get: answer });
};

/** An error of the call itself, or success. */
const REFUSED =
  /^(failure: (SyscallError|SizeError|WrongKindError|ExecutableNotFoundError|OutOfSpaceError)|success)/;

/** Answers recvmsg with the next message and this many descriptors, which were not sent. */
const receiving = (make) => (tools) => {
  let id = 0;
  return {
    recvmsg: ([, address]) => make({ ...tools, address, id: number(++id) }) ?? 4,
  };
};

const receptions = {
  "a message that is left where it is": [
    ({ fillMessage, address, id, rights }) => fillMessage(address, id, rights(0)),
    HUNG_UP,
  ],
  "another message": [
    ({ fillMessage, address, rights }) => fillMessage(address, number(7), rights(0)),
    HUNG_UP,
  ],
  "no descriptor": [
    ({ fillMessage, address, id }) => fillMessage(address, id, new Uint8Array(0)),
    TYPED,
  ],
  "a negative descriptor": [
    ({ fillMessage, address, id, rights }) => fillMessage(address, id, rights(-5)),
    TYPED,
  ],
  "a control message of 2^53 bytes": [
    ({ fillMessage, address, id, concat, words, ints }) =>
      fillMessage(address, id, concat(words(2n ** 53n), ints(1, 1, 0, 0))),
    TYPED,
  ],
  "2^62 bytes of control messages": [
    ({ fillMessage, address, id, rights }) =>
      fillMessage(address, id, rights(0), { size: 2n ** 62n }),
    TYPED,
  ],
  EAGAIN: [() => -11, HUNG_UP],
  EMFILE: [() => -24, TYPED],
  nothing: [() => 0, HUNG_UP],
  ...each(wrongCounts, (count, result) => [`${count} bytes`, [() => result, TYPED]]),
};

/* Clone: the result is a pid, and a pidfd is written where the arguments say. */

const cloning = (result, makePidfd) => (tools) => ({
  CLONE: ([args]) => {
    const fd = makePidfd?.(tools);
    const where = Number(new DataView(tools.readMemory(args + 8, 8).buffer).getBigUint64(0, true));
    if (fd !== undefined && where !== 0) tools.writeMemory(where, tools.ints(fd));
    return result;
  },
  // What is signalled here is the liar's own affair.
  pidfd_send_signal: () => 0,
});

/* Silence: at each step of the way. */

/** Falls silent at the first call of this name. */
const silentAt = (name) => (tools) => ({ [name]: () => tools.SILENCE });

const arenaOf =
  (size, address = 0x7f00_0000_0000n) =>
  (view) => {
    view.setBigUint64(176, address, true);
    view.setBigUint64(184, BigInt(size), true);
  };

/** The operations, of controllerUses.mjs, that are tried while all answers are the same. */
const askedFor = Object.fromEntries(
  ["read", "readlink", "getcwd", "entries", "stat", "limits", "pipe", "socketPair", "run"].map(
    (use) => [use, use],
  ),
);

export const lies = {
  "none: a descriptor is passed": { use: "passFrom", lie: () => ({}), outcome: /^success: 1$/ },
  "none: channels are opened": { use: "openChannels", lie: () => ({}), outcome: /^success: 3$/ },
  "none: what cannot be waited for any more": { use: "wait", lie: () => ({}), outcome: /Timeout/ },

  ...each(passing, (name, [make, outcome]) => [
    `sendmsg: ${name}`,
    { use: "passFrom", lie: sending(make), outcome },
  ]),
  "sendmsg: one descriptor in place of two": {
    use: "passFromTwo",
    lie: sending(({ sendFds, fd }, id) => sendFds(fd, id, [0])),
    outcome: TYPED,
  },
  ...each(wrongCounts, (name, result) => [
    `sendmsg: sent ${name} of 4 bytes, and nothing was`,
    { use: "passFrom", lie: () => ({ sendmsg: () => result }), outcome: TYPED },
  ]),
  ...each(receptions, (name, [make, outcome]) => [
    `recvmsg: ${name}`,
    { use: "passTo", lie: receiving(make), outcome },
  ]),

  ...each(hugeCounts, (name, result) => [
    `sendmsg: sent ${name} of 4 bytes, and nothing was`,
    { use: "passFrom", lie: () => ({ sendmsg: () => result }), outcome: TYPED },
  ]),
  ...each(hugeCounts, (name, result) => [
    `recvmsg: ${name} bytes`,
    { use: "passTo", lie: () => ({ recvmsg: () => result }), outcome: TYPED },
  ]),
  ...Object.assign(
    {},
    ...Object.entries({ ...wrongCounts, ...hugeCounts }).map(([count, result]) =>
      each({ ...askedFor }, (use) => [
        `${use}: ${count} is the answer to everything`,
        // Starting a program takes many calls, and some of these answers end the connection.
        { use, lie: always(result), outcome: use === "run" ? /^(failure|success)/ : REFUSED },
      ]),
    ),
  ),

  ...each({ ...kinds, "a pidfd": pidfd }, (name, make) => [
    `an epoll instance that is ${name}`,
    { use: "wait", lie: (tools) => ({ epoll_create1: () => make(tools) }), outcome: WRONG_KIND },
  ]),
  ...each(
    {
      "full of events never registered": (tools) => epollWith(tools, 64, (i) => 10 ** 6 + i),
      "with one event never registered": (tools) => epollWith(tools, 1, 10 ** 6),
      "with an event of number 0": (tools) => epollWith(tools, 1, 0),
      "with an event of number 2^63": (tools) => epollWith(tools, 1, 2n ** 63n),
      "with an event of number 2^53 + 1": (tools) => epollWith(tools, 1, 2n ** 53n + 1n),
    },
    (name, make) => [
      `an epoll instance ${name}`,
      { use: "wait", lie: (tools) => ({ epoll_create1: () => make(tools) }), outcome: TYPED },
    ],
  ),
  ...each(
    {
      "full of what is registered, always ready": (tools) => epollWith(tools, 64, 1),
      "of 500 that are always ready": (tools) => epollWith(tools, 500, 1),
      "full of hang-ups": (tools) => epollWith(tools, 64, 1, 0x10),
    },
    (name, make) => [
      `an epoll instance ${name}`,
      { use: "wait", lie: (tools) => ({ epoll_create1: () => make(tools) }), outcome: TYPED },
    ],
  ),
  "an epoll instance of which there are five, one in the other": {
    use: "wait",
    lie: (tools) => ({ epoll_create1: () => nested(tools, 5) }),
    outcome: TYPED,
  },

  ...each({ ...kinds, "an epoll instance": (tools) => epollWith(tools, 64, 1) }, (name, make) => [
    `a child whose pidfd is ${name}`,
    { use: "fork", lie: cloning(4242, make), outcome: WRONG_KIND },
  ]),
  ...each({ ...kinds, "a pidfd": pidfd }, (name, make) => [
    `a connection to a persistent task that is ${name}`,
    {
      use: "dial",
      lie: (tools) => ({ socket: () => make(tools), connect: () => 0 }),
      outcome: name === "a stream socket" ? /^failure: PersistentTaskError/ : WRONG_KIND,
    },
  ]),

  "a child that is the controller itself": {
    use: "fork",
    lie: (tools) => ({
      ...cloning(4242, ({ kernel, controller }) => kernel("pidfd_open", controller, 0))(tools),
      pidfd_send_signal: () => tools.SILENCE,
    }),
    outcome: /./,
  },
  "a child without a pidfd": { use: "fork", lie: cloning(4242, () => 999), outcome: TYPED },

  ...each(
    {
      "of 2^60 bytes": { size: 2n ** 60n },
      "of 2^63 - 1 bytes": { size: 2n ** 63n - 1n },
      "of no byte": { size: 0 },
      "without seals": { seals: 0 },
      "sealed against growing only": { seals: 4 },
      "sealed against shrinking only": { seals: 2 },
      "sealed against writing": { seals: 2 | 4 | 8 },
      "of huge pages": { flags: 2 | 4, size: 2 * MIB },
    },
    (name, options) => [
      `an arena ${name}`,
      { hello: arenaOf(MIB), arena: (tools) => [memfd(tools, options)], outcome: SERVED },
    ],
  ),
  ...each(
    {
      ...kinds,
      "an epoll instance": (tools) => epollWith(tools, 64, 1),
      "secret memory": ({ kernel }) => Math.max(kernel("memfd_secret", 0), 0),
    },
    (name, make) => [
      `an arena that is ${name}`,
      { hello: arenaOf(MIB), arena: (tools) => [make(tools)], outcome: SERVED },
    ],
  ),
  "an arena that is a socket that lingers": {
    hello: arenaOf(MIB),
    arena: (tools) => [lingering(tools)],
    behind: () => [],
    outcome: SERVED,
  },
  "a socket that lingers beside an arena": {
    hello: arenaOf(MIB),
    arena: (tools) => [memfd(tools), lingering(tools)],
    behind: () => [],
    outcome: SERVED,
  },
  "a socket that lingers behind the hello": {
    behind: (tools) => [lingering(tools)],
    outcome: SERVED,
  },
  "a socket that lingers in the middle of a hello": {
    split: 100,
    behind: (tools) => [lingering(tools)],
    outcome: SERVED,
  },
  "an arena that does not come": { hello: arenaOf(MIB), outcome: SERVED },
  "250 arenas": {
    hello: arenaOf(MIB),
    arena: (tools) => Array(250).fill(memfd(tools)),
    outcome: SERVED,
  },

  ...each({ 0: 0, 1: 1, 19: 19, 191: 191, 195: 195 }, (name, cut) => [
    `silence after ${name} bytes of the hello`,
    { cut, ...GONE },
  ]),
  "silence after the welcome": { use: "read", lie: silentAt("read"), outcome: HUNG_UP },
  "silence in place of memory": { use: "read", lie: silentAt("mmap"), outcome: HUNG_UP },
  "silence in place of the bytes that were read": {
    use: "readSome",
    lie: (tools) => ({ ...silentAt("SEND_ALL")(tools), read: () => 10 }),
    outcome: HUNG_UP,
  },
  "silence in place of descriptors": {
    use: "passFrom",
    lie: silentAt("sendmsg"),
    outcome: HUNG_UP,
  },
  "silence in place of taking some": { use: "passTo", lie: silentAt("recvmsg"), outcome: HUNG_UP },
  "silence in place of a child": { use: "fork", lie: silentAt("CLONE"), outcome: HUNG_UP },
  "half of a result": {
    use: "read",
    lie: (tools) => ({
      mmap: () => {
        tools.send(tools.FDS.syscall, new Uint8Array(4));
        return tools.SILENCE;
      },
    }),
    outcome: HUNG_UP,
  },
  "results that were not asked for": {
    use: "read",
    lie: (tools) => ({
      mmap: () => new Uint8Array(8 * 1000),
      read: () => tools.SILENCE,
    }),
    outcome: SERVED,
  },
};
