import { encodeSockaddr, type Sockaddr } from "@rsyscall/abi";
import { type InvalidArgumentError, pathText } from "@rsyscall/near";
import type { Exit } from "effect";
import { encodedBy } from "./checked.ts";

/** An address as the kernel takes it; an InvalidArgumentError for what is no address. */
export const addressBytes = (
  syscall: string,
  address: Sockaddr | Uint8Array,
): Exit.Exit<Uint8Array, InvalidArgumentError> =>
  encodedBy(
    {
      syscall,
      argument: "address",
      value: address,
      expected: "the address of a socket, of one of the families of Sockaddr, or bytes",
    },
    () => (address instanceof Uint8Array ? address : encodeSockaddr(address)),
  );

/** An address in words, for errors; undefined for bytes. */
export const addressText = (address: Sockaddr | Uint8Array): string | undefined => {
  if (address instanceof Uint8Array) return undefined;
  switch (address.family) {
    case "unix":
      return pathText(address.path);
    case "inet":
    case "inet6":
      return `${address.address} port ${address.port}`;
    case "netlink":
      return `netlink port ${address.pid}`;
    case "packet":
      return `interface ${address.ifindex}`;
    case "vsock":
      return `machine ${address.cid} port ${address.port}`;
    default:
      return `an address of family ${address.family}`;
  }
};
