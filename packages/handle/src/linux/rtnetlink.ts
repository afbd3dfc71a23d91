import {
  AF,
  Bytes,
  type Codec,
  CString,
  decodeLink,
  decodeLinkAddress,
  decodeRoute,
  encodeAttributes,
  type FixedCodec,
  IFA,
  IFA_F,
  IFF,
  IFLA,
  IFLA_INFO,
  Ifaddrmsg,
  Ifinfomsg,
  In6Addr,
  InAddr,
  Int32,
  type Link,
  type LinkAddress,
  NETLINK,
  NETLINK_EXT_ACK,
  type NetlinkAttribute,
  type NetlinkMessage,
  type Network,
  NLA_F,
  NLM_F,
  type Route,
  RT_SCOPE,
  RT_TABLE,
  RTA,
  RTM,
  RTN,
  RTPROT,
  Rtmsg,
  SOCK,
  Uint32,
  VETH_INFO,
} from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope, Semaphore } from "effect";
import { encode } from "../encode.ts";
import type { BorrowFailure, MallocFailure } from "../errors.ts";
import type { FileDescriptor } from "../FileDescriptor.ts";
import { Socket } from "../sys/socket.ts";
import type { TaskLike } from "../TaskLike.ts";
import { type NetlinkRequest, netlinkRequest } from "./netlink.ts";

/** The name or the number of a network interface. */
export type InterfaceLike = string | number;

/** What a link can be made with, and what can be changed: ip-link(8). */
export interface LinkOptions {
  /** Whether it is on. */
  readonly up?: boolean;
  /** The largest packet; bytes. */
  readonly mtu?: number;
  /** The hardware address, of 6 bytes for Ethernet. */
  readonly address?: Uint8Array;
  /** The bridge to which it belongs; 0 for none. */
  readonly master?: InterfaceLike;
  /** The network namespace to which it moves, where it is off at first. */
  readonly netns?: FileDescriptor;
}

/** A link to be made: ip-link(8). */
export interface NewLink extends LinkOptions {
  /** Its name, of at most 15 bytes. */
  readonly name: string;
  /** What it is: "veth", "bridge", "dummy", or another kind that the kernel knows. */
  readonly kind: string;
  /** The other end of a veth. */
  readonly peer?: LinkOptions & { readonly name: string };
}

/** A route to be made: ip-route(8). */
export interface NewRoute {
  /** Where it leads; undefined for the default route. */
  readonly destination?: Network;
  /** The address of the next node. */
  readonly gateway?: string;
  /** The interface. */
  readonly interface?: InterfaceLike;
  /** The source of packets. */
  readonly preferredSource?: string;
  /** The smaller one is preferred. */
  readonly priority?: number;
  /** Of `RT_TABLE`. Default: MAIN. */
  readonly table?: number;
}

type Failure = MallocFailure | BorrowFailure;

/**
 * The network interfaces, addresses and routes of the network namespace in which the socket was made: rtnetlink(7).
 * What changes something needs CAP_NET_ADMIN there. Errors have the name of the request, and the kernel's explanation.
 *
 * @example
 * ```ts
 * import { CLONE } from "@rsyscall/abi";
 * import { Rtnetlink } from "@rsyscall/handle";
 * import { LocalThread } from "@rsyscall/thread";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const child = yield* (yield* LocalThread).clone(CLONE.NEWUSER | CLONE.NEWNET);
 *   const network = yield* Rtnetlink.make(child);
 *   yield* network.setLink("lo", { up: true });
 *   console.log((yield* network.addresses()).map(({ address }) => address)); // [ '127.0.0.1', '::1' ]
 * });
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));
 * ```
 */
export class Rtnetlink {
  /** The socket, of AF_NETLINK. */
  readonly socket: Socket;
  /** One request at a time: answers do not mix. */
  readonly #turn = Semaphore.makeUnsafe(1);

  private constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Makes a socket of NETLINK_ROUTE in the network namespace of the task. */
  static make({ task }: TaskLike): Effect.Effect<Rtnetlink, Failure, Scope.Scope> {
    return Effect.gen(function* () {
      const socket = yield* Socket.make(task, AF.NETLINK, SOCK.RAW, NETLINK.ROUTE);
      yield* socket.bind({ family: "netlink", pid: 0, groups: 0 });
      // Linux 4.12 has it; without it, errors have no explanation.
      yield* socket
        .setOption(NETLINK_EXT_ACK, true)
        .pipe(near.catchErrno("ENOPROTOOPT", () => Effect.void));
      return new Rtnetlink(socket);
    });
  }

  /** RTM_GETLINK: all interfaces. */
  links(): Effect.Effect<ReadonlyArray<Link>, Failure> {
    return this.#list("GETLINK", RTM.NEWLINK, encode(Ifinfomsg, linkHeader), decodeLink);
  }

  /** RTM_GETLINK: one interface. ENODEV if there is none. */
  link(which: InterfaceLike): Effect.Effect<Link, Failure> {
    const request = {
      type: RTM.GETLINK,
      name: "RTM_GETLINK",
      subject: String(which),
    };
    return Effect.flatMap(
      this.#encoded(request.name, which, () =>
        typeof which === "number"
          ? encode(Ifinfomsg, { ...linkHeader, index: which })
          : concatenated(encode(Ifinfomsg, linkHeader), [interfaceName(which)]),
      ),
      (payload) =>
        Effect.flatMap(this.#request({ ...request, payload }), (messages) =>
          near.decoded(request.name, request.subject, () => {
            const found = messages.find(({ type }) => type === RTM.NEWLINK);
            if (found === undefined) throw new RangeError("no link");
            return decodeLink(found);
          }),
        ),
    );
  }

  /** RTM_NEWLINK: makes a link, and its other end if it is a veth. EEXIST if there is one of the name. */
  addLink(link: NewLink): Effect.Effect<void, Failure> {
    return Effect.gen({ self: this }, function* () {
      const { name, kind, peer } = link;
      const own = yield* this.#linkAttributes(link);
      const other = peer === undefined ? undefined : yield* this.#linkAttributes(peer);
      const payload = yield* this.#encoded("RTM_NEWLINK", link, () => {
        const data =
          peer === undefined || other === undefined
            ? []
            : [
                nested(IFLA_INFO.DATA, [
                  nestedBytes(
                    VETH_INFO.PEER,
                    concatenated(encode(Ifinfomsg, upHeader(peer)), [
                      interfaceName(peer.name),
                      ...other(),
                    ]),
                  ),
                ]),
              ];
        const info = nested(IFLA.LINKINFO, [attribute(IFLA_INFO.KIND, CString, kind), ...data]);
        return concatenated(encode(Ifinfomsg, upHeader(link)), [
          interfaceName(name),
          info,
          ...own(),
        ]);
      });
      yield* this.#change("NEWLINK", payload, name, NLM_F.CREATE | NLM_F.EXCL);
    });
  }

  /** RTM_NEWLINK: changes a link. `name` renames it, which it must be off for. */
  setLink(
    which: InterfaceLike,
    changes: LinkOptions & { readonly name?: string },
  ): Effect.Effect<void, Failure> {
    return Effect.gen({ self: this }, function* () {
      const index = yield* this.#index(which);
      const attributes = yield* this.#linkAttributes(changes);
      const payload = yield* this.#encoded("RTM_NEWLINK", changes, () =>
        concatenated(encode(Ifinfomsg, { ...upHeader(changes), index }), [
          ...(changes.name === undefined ? [] : [interfaceName(changes.name)]),
          ...attributes(),
        ]),
      );
      yield* this.#change("NEWLINK", payload, String(which));
    });
  }

  /** RTM_DELLINK: removes a link, and the other end of a veth with it. */
  deleteLink(which: InterfaceLike): Effect.Effect<void, Failure> {
    return Effect.flatMap(this.#index(which), (index) =>
      Effect.flatMap(
        this.#encoded("RTM_DELLINK", which, () => encode(Ifinfomsg, { ...linkHeader, index })),
        (payload) => this.#change("DELLINK", payload, String(which)),
      ),
    );
  }

  /** RTM_GETADDR: the IPv4 and IPv6 addresses of all interfaces. */
  addresses(): Effect.Effect<ReadonlyArray<LinkAddress>, Failure> {
    return this.#list(
      "GETADDR",
      RTM.NEWADDR,
      encode(Ifaddrmsg, { family: AF.UNSPEC, prefixLength: 0, flags: 0, scope: 0, index: 0 }),
      decodeLinkAddress,
    );
  }

  /**
   * RTM_NEWADDR: adds an address to an interface, "10.0.0.1" or "fd00::1". An IPv6 address is usable at once: it is
   * not searched for duplicates.
   */
  addAddress(which: InterfaceLike, network: Network): Effect.Effect<void, Failure> {
    return this.#changeAddress("NEWADDR", which, network, NLM_F.CREATE | NLM_F.EXCL);
  }

  /** RTM_DELADDR: removes an address from an interface. */
  deleteAddress(which: InterfaceLike, network: Network): Effect.Effect<void, Failure> {
    return this.#changeAddress("DELADDR", which, network, 0);
  }

  #changeAddress(
    name: "NEWADDR" | "DELADDR",
    which: InterfaceLike,
    network: Network,
    flags: number,
  ): Effect.Effect<void, Failure> {
    return Effect.flatMap(this.#index(which), (index) =>
      Effect.flatMap(
        this.#encoded(`RTM_${name}`, network, () => {
          const { address, prefixLength } = network;
          const [family, codec] = familyOf(address);
          const isInet6 = family === AF.INET6;
          const header = {
            family,
            prefixLength,
            flags: isInet6 ? IFA_F.NODAD : 0,
            scope: RT_SCOPE.UNIVERSE,
            index,
          };
          return concatenated(encode(Ifaddrmsg, header), [
            attribute(IFA.LOCAL, codec, address),
            attribute(IFA.ADDRESS, codec, address),
          ]);
        }),
        (payload) => this.#change(name, payload, `${network.address} of ${which}`, flags),
      ),
    );
  }

  /** RTM_GETROUTE: the IPv4 and IPv6 routes of all tables. */
  routes(): Effect.Effect<ReadonlyArray<Route>, Failure> {
    return this.#list("GETROUTE", RTM.NEWROUTE, encode(Rtmsg, routeHeader), decodeRoute);
  }

  /** RTM_NEWROUTE: adds a route. EEXIST if there is one. */
  addRoute(route: NewRoute): Effect.Effect<void, Failure> {
    return this.#changeRoute("NEWROUTE", route, NLM_F.CREATE | NLM_F.EXCL);
  }

  /** RTM_DELROUTE: removes a route. ESRCH if there is none. */
  deleteRoute(route: NewRoute): Effect.Effect<void, Failure> {
    return this.#changeRoute("DELROUTE", route, 0);
  }

  #changeRoute(
    name: "NEWROUTE" | "DELROUTE",
    route: NewRoute,
    flags: number,
  ): Effect.Effect<void, Failure> {
    const { destination, gateway, preferredSource, priority, table = RT_TABLE.MAIN } = route;
    const some = destination?.address ?? gateway ?? preferredSource;
    const index = route.interface === undefined ? Effect.undefined : this.#index(route.interface);
    return Effect.flatMap(index, (index) =>
      Effect.flatMap(
        this.#encoded(`RTM_${name}`, route, () => {
          if (some === undefined) throw new RangeError("a route without an address");
          const [family, codec] = familyOf(some);
          const header = {
            ...routeHeader,
            family,
            dstLen: destination?.prefixLength ?? 0,
            table: table > 255 ? RT_TABLE.COMPAT : table,
            protocol: name === "NEWROUTE" ? RTPROT.STATIC : 0,
            scope:
              name === "DELROUTE"
                ? RT_SCOPE.NOWHERE
                : gateway === undefined
                  ? RT_SCOPE.LINK
                  : RT_SCOPE.UNIVERSE,
            type: name === "NEWROUTE" ? RTN.UNICAST : 0,
          };
          return concatenated(encode(Rtmsg, header), [
            ...given(RTA.DST, codec, destination?.address),
            ...given(RTA.GATEWAY, codec, gateway),
            ...given(RTA.PREFSRC, codec, preferredSource),
            ...given(RTA.OIF, Uint32, index),
            ...given(RTA.PRIORITY, Uint32, priority),
            attribute(RTA.TABLE, Uint32, table),
          ]);
        }),
        (payload) => this.#change(name, payload, destination?.address ?? "default", flags),
      ),
    );
  }

  /** The number of an interface. */
  #index(which: InterfaceLike): Effect.Effect<number, Failure> {
    return typeof which === "number"
      ? Effect.succeed(which)
      : Effect.map(this.link(which), ({ index }) => index);
  }

  /** The attributes of options, which are encoded when the result is called. */
  #linkAttributes({
    mtu,
    address,
    master,
    netns,
  }: LinkOptions): Effect.Effect<() => ReadonlyArray<NetlinkAttribute>, Failure> {
    const masterIndex = master === undefined ? Effect.undefined : this.#index(master);
    const fd = netns === undefined ? Effect.undefined : netns.borrow(this.socket.task);
    return Effect.flatMap(masterIndex, (master) =>
      Effect.map(fd, (fd) => () => [
        ...given(IFLA.MTU, Uint32, mtu),
        ...given(IFLA.ADDRESS, Bytes, address),
        ...given(IFLA.MASTER, Uint32, master),
        ...given(IFLA.NET_NS_FD, Int32, fd),
      ]),
    );
  }

  /** Encodes a request; an InvalidArgumentError for what cannot be one. */
  #encoded(
    syscall: string,
    value: unknown,
    bytes: () => Uint8Array,
  ): Effect.Effect<Uint8Array, near.InvalidArgumentError> {
    return Effect.try({
      try: bytes,
      catch: (cause) =>
        new near.InvalidArgumentError({
          syscall,
          argument: "request",
          value,
          expected: "names of at most 15 bytes, addresses of one family, and numbers that fit",
          cause,
        }),
    });
  }

  #request(request: NetlinkRequest): Effect.Effect<ReadonlyArray<NetlinkMessage>, Failure> {
    return this.#turn.withPermits(1)(netlinkRequest(this.socket, request));
  }

  #change(
    name: keyof typeof RTM,
    payload: Uint8Array,
    subject: string,
    flags = 0,
  ): Effect.Effect<void, Failure> {
    return Effect.asVoid(
      this.#request({ type: RTM[name], name: `RTM_${name}`, flags, payload, subject }),
    );
  }

  #list<A>(
    name: keyof typeof RTM,
    type: number,
    payload: Uint8Array,
    decode: (message: NetlinkMessage) => A | undefined,
  ): Effect.Effect<ReadonlyArray<A>, Failure> {
    const request = { type: RTM[name], name: `RTM_${name}`, flags: NLM_F.DUMP, payload };
    return Effect.flatMap(this.#request(request), (messages) =>
      near.decoded(request.name, undefined, () =>
        messages
          .filter((message) => message.type === type)
          .map(decode)
          .filter((value) => value !== undefined),
      ),
    );
  }
}

near.oneLine(Rtnetlink, ({ socket }) => String(socket));

const linkHeader = { family: AF.UNSPEC, type: 0, index: 0, flags: 0, change: 0 };

/** The header of a request that turns a link on or off, or leaves it as it is. */
const upHeader = ({ up }: LinkOptions) => ({
  ...linkHeader,
  flags: up ? IFF.UP : 0,
  change: up === undefined ? 0 : IFF.UP,
});

const routeHeader = {
  family: AF.UNSPEC as number,
  dstLen: 0,
  srcLen: 0,
  tos: 0,
  table: 0,
  protocol: 0,
  scope: 0,
  type: 0,
  flags: 0,
};

const familyOf = (address: string): readonly [number, FixedCodec<string>] =>
  address.includes(":") ? [AF.INET6, In6Addr] : [AF.INET, InAddr];

const attribute = <A>(type: number, codec: Codec<A>, value: A): NetlinkAttribute => ({
  type,
  payload: encode(codec, value),
});

/** The attribute of a value that may be missing. */
const given = <A>(
  type: number,
  codec: Codec<A>,
  value: A | undefined,
): ReadonlyArray<NetlinkAttribute> => (value === undefined ? [] : [attribute(type, codec, value)]);

const nestedBytes = (type: number, payload: Uint8Array): NetlinkAttribute => ({
  type: type | NLA_F.NESTED,
  payload,
});

const nested = (type: number, attributes: ReadonlyArray<NetlinkAttribute>): NetlinkAttribute =>
  nestedBytes(type, encodeAttributes(attributes));

const interfaceName = (name: string): NetlinkAttribute => attribute(IFLA.IFNAME, CString, name);

const concatenated = (
  header: Uint8Array,
  attributes: ReadonlyArray<NetlinkAttribute>,
): Uint8Array => {
  const rest = encodeAttributes(attributes);
  const bytes = new Uint8Array(header.length + rest.length);
  bytes.set(header);
  bytes.set(rest, header.length);
  return bytes;
};
