import * as abi from "@rsyscall/abi";
import type { Random } from "@rsyscall/harness";
import {
  decodeDescription,
  decodeHeader,
  HELLO_SIZE,
} from "../../../packages/transport/src/hello.ts";

/** Codecs of what a task writes, all of one size. */
export const codecs: ReadonlyArray<abi.FixedCodec<unknown>> = [
  abi.CapData,
  abi.CapHeader,
  abi.ChildSiginfo,
  abi.Cmsghdr,
  abi.CpuSet,
  abi.Int32,
  abi.Int64,
  abi.Ifaddrmsg,
  abi.Ifinfomsg,
  abi.Ifmap,
  abi.In6Addr,
  abi.In6Pktinfo,
  abi.InAddr,
  abi.InPktinfo,
  abi.Iovec,
  abi.IpMreqn,
  abi.Itimerspec,
  abi.Linger,
  abi.Mmsghdr,
  abi.Msghdr,
  abi.Nlmsghdr,
  abi.PollFd,
  abi.Rlimit,
  abi.Rtmsg,
  abi.RobustFutex,
  abi.Sigaction,
  abi.SignalfdSiginfo,
  abi.Sigset,
  abi.SockaddrIn,
  abi.SockaddrIn6,
  abi.SockaddrLl,
  abi.SockaddrNl,
  abi.SockaddrVm,
  abi.Statx,
  abi.TcpInfo,
  abi.Timespec,
  abi.Timeval,
  abi.Ucred,
  abi.Uint64,
  abi.Utsname,
  abi.Winsize,
  ...Object.values(abi.ifreqs),
  ...abi.abis.flatMap(({ stat, epollEvent }) => [stat, epollEvent]),
];

/** What decodes bytes of any length: values, of which none may take more than their bytes. */
export const decoders: Readonly<Record<string, (bytes: Uint8Array) => ReadonlyArray<unknown>>> = {
  decodeDirents: abi.decodeDirents,
  decodeInotifyEvents: abi.decodeInotifyEvents,
  decodeControl: abi.decodeControl,
  controlOf: (bytes) => [abi.controlOf(abi.decodeControl(bytes))],
  decodeNetlink: abi.decodeNetlink,
  decodeAttributes: abi.decodeAttributes,
  decodeLink: (payload) => [abi.decodeLink({ payload })],
  decodeLinkAddress: (payload) => [abi.decodeLinkAddress({ payload })],
  decodeRoute: (payload) => [abi.decodeRoute({ payload })],
  decodeSockaddr: (bytes) => [abi.decodeSockaddr(bytes)],
  fsDecode: (bytes) => [abi.fsDecode(bytes)],
  CString: (bytes) => [abi.CString.decode(bytes)],
  SockaddrUn: (bytes) => [abi.SockaddrUn.decode(bytes)],
  hello: (bytes) => {
    const header = decodeHeader(bytes.subarray(0, HELLO_SIZE), 1024 ** 2);
    const rest = bytes.subarray(HELLO_SIZE);
    const description = decodeDescription(header, rest);
    return [...description.argv, ...description.environment(), ...(description.fds ?? [])];
  },
};

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** What is right, or nearly so: entries one behind the other, with a length at a place in each. */
const chain = (
  random: Random,
  headerSize: number,
  lengthAt: number,
  wide: boolean,
  whole: boolean,
) => {
  const parts = Array.from({ length: 1 + random.below(5) }, () => {
    const payload = random.bytes(random.below(40));
    const entry = new Uint8Array(abi.alignTo(headerSize + payload.length, 8));
    entry.set(random.bytes(headerSize));
    entry.set(payload, headerSize);
    const length = entry.length - (whole ? 0 : headerSize) + random.of([0, 0, 0, 0, -8, 8, 3]);
    if (wide) view(entry).setBigInt64(lengthAt, BigInt(length), true);
    else if (headerSize === 19) view(entry).setUint16(lengthAt, length, true);
    else view(entry).setUint32(lengthAt, length, true);
    return entry;
  });
  return new Uint8Array(Buffer.concat(parts));
};

/** Attributes of netlink, or nearly so: a length of 16 bits, and a type. */
const attributes = (random: Random): Uint8Array =>
  new Uint8Array(
    Buffer.concat(
      Array.from({ length: random.below(6) }, () => {
        const payload = random.bytes(random.of([0, 1, 4, 4, 16, 16, 20]));
        const bytes = new Uint8Array(abi.alignTo(4 + payload.length, 4));
        bytes.set(payload, 4);
        view(bytes).setUint16(0, 4 + payload.length + random.of([0, 0, 0, 0, 0, -4, 5]), true);
        view(bytes).setUint16(2, random.below(20), true);
        return bytes;
      }),
    ),
  );

const hello = (random: Random): Uint8Array => {
  const strings = new TextEncoder().encode("name\0argument\0A=1\0");
  const bytes = new Uint8Array(HELLO_SIZE + strings.length);
  bytes.set(new TextEncoder().encode("rsyscall"));
  bytes.set(strings, HELLO_SIZE);
  const u32 = (at: number, value: number) => view(bytes).setUint32(at, value, true);
  for (const [at, value] of [
    [8, 1],
    [12, 62],
    [16, HELLO_SIZE],
    [20, 2],
    [24, 1],
    [28, 0xffffffff],
    [32, 14],
    [40, 4],
    [64, 4096],
    [68, 12345],
  ] as const)
    u32(at, value);
  for (let changes = random.below(4); changes > 0; changes--)
    u32(4 * random.below(HELLO_SIZE / 4), random.of([0, 1, 0xffffffff, random.below(2 ** 32)]));
  return bytes;
};

/** Bytes for a decoder: nearly right, or not at all. */
export const bytesFor = (name: string, random: Random): Uint8Array => {
  if (random.unit() < 0.3) return random.bytes(random.below(400));
  switch (name) {
    case "decodeDirents":
      return chain(random, 19, 16, false, true);
    case "decodeInotifyEvents":
      return chain(random, 16, 12, false, false);
    case "decodeControl":
    case "controlOf":
      return chain(random, 16, 0, true, true);
    case "decodeNetlink":
      return chain(random, 16, 0, false, true);
    case "decodeAttributes":
      return attributes(random);
    case "decodeLink":
    case "decodeLinkAddress":
    case "decodeRoute": {
      const header = random.bytes({ decodeLink: 16, decodeLinkAddress: 8, decodeRoute: 12 }[name]);
      header[0] = random.of([2, 10, header[0] as number]);
      return new Uint8Array(Buffer.concat([header, attributes(random)]));
    }
    case "decodeSockaddr":
    case "SockaddrUn": {
      const bytes = random.bytes(random.below(132));
      if (bytes.length > 1) view(bytes).setUint16(0, random.of([1, 1, 2, 10]), true);
      return bytes;
    }
    case "hello":
      return hello(random);
    default:
      return random.bytes(random.below(64));
  }
};
