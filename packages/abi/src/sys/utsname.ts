import { type FixedCodec, fixedCString, struct } from "../Codec.ts";

/** `struct utsname` of uname(2): the names of the system. */
export interface Utsname {
  /** The name of the system: `Linux`. */
  readonly sysname: string;
  /** The host name, which sethostname(2) sets. */
  readonly nodename: string;
  /** The version of the kernel: `6.18.0`. */
  readonly release: string;
  /** When and how the kernel was built. */
  readonly version: string;
  /** The machine: `x86_64`, `aarch64`. */
  readonly machine: string;
  /** The NIS domain name, which setdomainname(2) sets. It is not the domain of DNS. */
  readonly domainname: string;
}

const name = fixedCString(65);

/** See {@link Utsname}; 390 bytes. */
export const Utsname: FixedCodec<Utsname> = struct("struct utsname", {
  sysname: name,
  nodename: name,
  release: name,
  version: name,
  machine: name,
  domainname: name,
});
