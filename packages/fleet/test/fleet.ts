import { Hosts } from "@rsyscall/fleet";

/** Hosts that are processes of this machine, and one that cannot be opened. */
export const hosts = Hosts.layer({
  a: { command: ["env"] },
  b: { command: ["env"] },
  c: { command: ["env"] },
  closed: { command: ["false"] },
});
