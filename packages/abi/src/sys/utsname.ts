import { type FixedCodec, fixedCString, struct } from "../Codec.ts";

/** `struct utsname` of uname(2): the names of the system. */
export interface Utsname {
  readonly sysname: string;
  readonly nodename: string;
  readonly release: string;
  readonly version: string;
  readonly machine: string;
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
