import { AF, CLONE, IFF, SHUT, SOCK } from "@rsyscall/abi";
import { NamespaceFd, Rtnetlink, Socket, Tun } from "@rsyscall/handle";
import { describeUnless, noNamespaces } from "@rsyscall/harness";
import type { SyscallError } from "@rsyscall/near";
import type { ChildThread, Thread } from "@rsyscall/thread";
import { Effect } from "effect";
import { assert } from "vitest";
import { inEachKind } from "./kinds.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

/** A child in a network namespace of its own, with its interfaces. */
const network = (thread: Thread) =>
  Effect.gen(function* () {
    const child = yield* thread.clone(CLONE.NEWUSER | CLONE.NEWNET);
    return { child, links: yield* Rtnetlink.make(child) };
  });

/** A child of a child, in another network namespace over which the first one has all rights. */
const beside = (child: ChildThread) =>
  Effect.gen(function* () {
    const other = yield* child.clone(CLONE.NEWNET);
    return {
      other,
      links: yield* Rtnetlink.make(other),
      netns: yield* NamespaceFd.make(child, "net", other.task.pid),
    };
  });

/** Sends bytes from one thread to another over TCP. */
const talk = (from: Thread, to: Thread, address: string) =>
  Effect.gen(function* () {
    const family = address.includes(":") ? "inet6" : "inet";
    const domain = family === "inet" ? AF.INET : AF.INET6;
    const listener = yield* Socket.make(to, domain, SOCK.STREAM);
    const name = yield* listener.bindFree({ family, address, port: 0 } as const);
    yield* listener.listen(1);
    const client = yield* from.makeAfd(yield* Socket.make(from, domain, SOCK.STREAM));
    yield* client.connect(name);
    yield* client.sendAllBytes(bytes(`to ${address}`));
    yield* client.handle.shutdown(SHUT.WR);
    const [server, peer] = yield* (yield* to.makeAfd(listener)).acceptFrom();
    assert.equal(text(yield* to.readToEof(server.handle)), `to ${address}`);
    return peer;
  });

describeUnless(noNamespaces, "network namespaces", () => {
  inEachKind((it) => {
    it("a new network has a loopback that is off, and works when it is on", function* (thread) {
      const { child, links } = yield* network(thread);
      const [lo, ...others] = yield* links.links();
      assert.deepEqual([lo?.name, lo?.type, (lo?.flags ?? 0) & IFF.UP], ["lo", 772, 0]);
      for (const { flags } of others) assert.equal(flags & IFF.UP, 0);
      assert.deepEqual(yield* links.addresses(), []);
      const socket = yield* Socket.make(child, AF.INET, SOCK.DGRAM);
      const unreachable = yield* Effect.flip(
        socket.sendTo(bytes("x"), { family: "inet", address: "127.0.0.1", port: 9 }),
      );
      assert.equal((unreachable as SyscallError).errno, "ENETUNREACH");
      yield* links.setLink("lo", { up: true });
      assert.deepEqual(
        (yield* links.addresses()).map(({ address, prefixLength }) => [address, prefixLength]),
        [
          ["127.0.0.1", 8],
          ["::1", 128],
        ],
      );
      yield* talk(child, child, "127.0.0.1");
      yield* talk(child, child, "::1");
    });

    it("two processes in two networks talk TCP over a veth pair", function* (thread) {
      const { child, links } = yield* network(thread);
      const { other, links: there, netns } = yield* beside(child);
      yield* links.addLink({ name: "here", kind: "veth", peer: { name: "there", netns } });
      yield* links.addAddress("here", { address: "10.1.0.1", prefixLength: 24 });
      yield* there.addAddress("there", { address: "10.1.0.2", prefixLength: 24 });
      yield* links.addAddress("here", { address: "fd00::1", prefixLength: 64 });
      yield* there.addAddress("there", { address: "fd00::2", prefixLength: 64 });
      yield* links.setLink("here", { up: true });
      yield* there.setLink("there", { up: true });
      assert.deepInclude(yield* talk(child, other, "10.1.0.2"), { address: "10.1.0.1" });
      assert.deepInclude(yield* talk(other, child, "10.1.0.1"), { address: "10.1.0.2" });
      assert.deepInclude(yield* talk(child, other, "fd00::2"), { address: "fd00::1" });
      assert.equal((yield* links.link("here")).kind, "veth");
    });

    it("a route leads to a network behind another process", function* (thread) {
      const { child, links } = yield* network(thread);
      const { other, links: there, netns } = yield* beside(child);
      yield* links.addLink({
        name: "here",
        kind: "veth",
        up: true,
        peer: { name: "there", netns },
      });
      yield* there.setLink("there", { up: true });
      yield* there.setLink("lo", { up: true });
      yield* links.addAddress("here", { address: "10.1.0.1", prefixLength: 24 });
      yield* there.addAddress("there", { address: "10.1.0.2", prefixLength: 24 });
      yield* there.addAddress("lo", { address: "192.0.2.7", prefixLength: 32 });
      const route = {
        destination: { address: "192.0.2.0", prefixLength: 24 },
        gateway: "10.1.0.2",
      };
      yield* links.addRoute(route);
      const { index } = yield* links.link("here");
      const found = (yield* links.routes()).find(({ gateway }) => gateway !== undefined);
      assert.deepInclude(found, { ...route, family: "inet", index, table: 254 });
      yield* talk(child, other, "192.0.2.7");
      const again = yield* Effect.flip(links.addRoute(route));
      assert.equal((again as SyscallError).errno, "EEXIST");
      yield* links.deleteRoute(route);
      assert.isUndefined((yield* links.routes()).find(({ gateway }) => gateway !== undefined));
      yield* links.addRoute({ gateway: "10.1.0.2", interface: "here", priority: 7 });
      const fallback = (yield* links.routes()).find(({ gateway }) => gateway !== undefined);
      assert.deepInclude(fallback, { destination: undefined, priority: 7, index });
    });

    it("a bridge joins two networks", function* (thread) {
      const { child, links } = yield* network(thread);
      const one = yield* beside(child);
      const two = yield* beside(child);
      yield* links.addLink({ name: "bridge", kind: "bridge", up: true });
      const { index, kind } = yield* links.link("bridge");
      assert.equal(kind, "bridge");
      for (const [i, { links: there, netns }] of [one, two].entries()) {
        const name = `port${i}`;
        yield* links.addLink({ name, kind: "veth", peer: { name: "eth0", netns } });
        yield* links.setLink(name, { master: "bridge", up: true });
        assert.equal((yield* links.link(name)).master, index);
        yield* there.addAddress("eth0", { address: `10.2.0.${i + 1}`, prefixLength: 24 });
        yield* there.setLink("eth0", { up: true });
      }
      yield* talk(one.other, two.other, "10.2.0.2");
      yield* links.setLink("port0", { master: 0 });
      assert.isUndefined((yield* links.link("port0")).master);
    });

    it("a link is renamed, changed, moved and removed", function* (thread) {
      const { child, links } = yield* network(thread);
      const { links: there, netns } = yield* beside(child);
      const address = Uint8Array.of(2, 0, 0, 0, 0, 1);
      const peer = { name: "peer" };
      yield* links.addLink({ name: "first", kind: "veth", mtu: 1400, address, peer });
      const { index } = yield* links.link("first");
      assert.deepInclude(yield* links.link(index), { name: "first", mtu: 1400, address });
      yield* links.setLink(index, { name: "second", mtu: 1300 });
      assert.deepInclude(yield* links.link("second"), { index, mtu: 1300 });
      yield* links.setLink("second", { netns });
      assert.equal(((yield* Effect.flip(links.link("second"))) as SyscallError).errno, "ENODEV");
      assert.equal((yield* there.link("second")).kind, "veth");
      yield* there.deleteLink("second");
      assert.equal(((yield* Effect.flip(links.link("peer"))) as SyscallError).errno, "ENODEV");
    });

    it("an address is added and removed", function* (thread) {
      const { links } = yield* network(thread);
      yield* links.addLink({ name: "dummy", kind: "bridge", up: true });
      const { index } = yield* links.link("dummy");
      const own = { address: "10.3.0.1", prefixLength: 16 };
      const inet = Effect.map(links.addresses(), (all) =>
        all.filter(({ family }) => family === "inet"),
      );
      yield* links.addAddress("dummy", own);
      assert.containSubset(yield* inet, [{ ...own, index, family: "inet", scope: 0 }]);
      yield* links.deleteAddress("dummy", own);
      assert.deepEqual(yield* inet, []);
    });

    it("errors name the request, the subject and the reason", function* (thread) {
      const { child, links } = yield* network(thread);
      const messageOf = (call: Effect.Effect<unknown, { readonly message: string }>) =>
        Effect.map(Effect.flip(call), ({ message }) => message);
      const dummy = { name: "dummy", kind: "bridge" };
      yield* links.addLink(dummy);
      assert.match(yield* messageOf(links.addLink(dummy)), /^RTM_NEWLINK\(dummy\): EEXIST/);
      assert.match(yield* messageOf(links.setLink("none", {})), /^RTM_GETLINK\(none\): ENODEV/);
      assert.match(
        yield* messageOf(links.addLink({ name: "x", kind: "nonesuch" })),
        /^RTM_NEWLINK\(x\): EOPNOTSUPP: .* \(Unknown device type/,
      );
      for (const refused of [
        links.addLink({ name: "x".repeat(70_000), kind: "bridge" }),
        links.addLink({ name: "a\0b", kind: "bridge" }),
        links.addAddress("dummy", { address: "1.2.3", prefixLength: 8 }),
        links.addAddress("dummy", { address: "1.2.3.4", prefixLength: 256 }),
        links.addRoute({}),
        links.addRoute({ destination: { address: "::", prefixLength: 1 }, gateway: "1.2.3.4" }),
        links.deleteLink(1.5),
      ])
        assert.equal((yield* Effect.flip(refused))._tag, "InvalidArgumentError");
      // A child in another user namespace has no rights over this network.
      const stranger = yield* child.clone(CLONE.NEWUSER);
      const powerless = yield* Rtnetlink.make(stranger);
      assert.match(
        yield* messageOf(powerless.setLink("lo", { up: true })),
        /^RTM_NEWLINK\(lo\): EPERM.*CAP_NET_ADMIN/,
      );
    });

    it("requests of several fibers do not mix their answers", function* (thread) {
      const { links } = yield* network(thread);
      const names = Array.from({ length: 10 }, (_, i) => `dummy${i}`);
      yield* Effect.forEach(names, (name) => links.addLink({ name, kind: "bridge" }), {
        concurrency: "unbounded",
      });
      const found = yield* Effect.forEach(names, (name) => links.link(name), {
        concurrency: "unbounded",
      });
      assert.deepEqual(
        found.map(({ name }) => name),
        names,
      );
    });

    it("the packets of a TUN interface are read and written", function* (thread) {
      const { child, links } = yield* network(thread);
      const tun = yield* Tun.make(child, { name: "tun%d" });
      const name = yield* tun.name();
      assert.equal(name, "tun0");
      yield* links.addAddress(name, { address: "10.4.0.1", prefixLength: 24 });
      yield* links.setLink(name, { up: true });
      const socket = yield* Socket.make(child, AF.INET, SOCK.DGRAM);
      const own = yield* socket.bindFree({ family: "inet", address: "10.4.0.1", port: 0 } as const);
      yield* socket.sendTo(bytes("packet"), { family: "inet", address: "10.4.0.2", port: 9 });
      const afd = yield* child.makeAfd(tun);
      // The kernel looks for IPv6 routers as well.
      let packet = yield* afd.readBytes();
      while (packet[0] !== 0x45) packet = yield* afd.readBytes();
      assert.deepEqual([...packet.subarray(12, 20)], [10, 4, 0, 1, 10, 4, 0, 2]);
      assert.equal(text(packet.subarray(28)), "packet");
      // The answer: the same packet with its addresses and ports exchanged, whose sums stay right.
      const answer = packet.slice();
      answer.set(packet.subarray(12, 16), 16);
      answer.set(packet.subarray(16, 20), 12);
      answer.set(packet.subarray(20, 22), 22);
      answer.set(packet.subarray(22, 24), 20);
      yield* afd.writeAllBytes(answer);
      const { bytes: got, address } = yield* (yield* child.makeAfd(socket)).receiveFrom();
      assert.deepEqual([text(got), address], ["packet", { ...own, address: "10.4.0.2", port: 9 }]);
      yield* afd.close();
      assert.equal(((yield* Effect.flip(links.link(name))) as SyscallError).errno, "ENODEV");
    });
  });
});
