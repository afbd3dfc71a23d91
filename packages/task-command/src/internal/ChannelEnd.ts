import { readdirSync, readlinkSync } from "node:fs";
import { SHUT } from "@rsyscall/abi";
import { type FdFailure, Socket } from "@rsyscall/handle";
import type { Fd } from "@rsyscall/near";
import type { Effect } from "effect";

/** What is to be done before an end is shut down for writing, by what /proc calls its socket. */
const beforeShutdown = new Map<string, (fd: Fd) => void>();

/** What /proc calls an open file of this process, by a number of its. Undefined without /proc. */
const nameOf = (fd: number | string): string | undefined => {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
};

/** The end of a channel that is given away: a socket of this process, whose other end is a multiplexer's. */
export class ChannelEnd extends Socket {
  override shutdown(how: number): Effect.Effect<void, FdFailure> {
    return this.use((fd) => {
      const name = how === SHUT.RD ? undefined : nameOf(fd);
      if (name !== undefined) beforeShutdown.get(name)?.(fd);
      return super.shutdown(how);
    });
  }

  /**
   * What identifies the socket, also when this handle has moved or its number belongs to another file.
   *
   * @param onShutdown runs before a handle shuts the socket down for writing
   */
  identify(onShutdown: (fd: Fd) => void): EndName | undefined {
    const name = nameOf(this.near);
    if (name === undefined) return undefined;
    beforeShutdown.set(name, onShutdown);
    return { fd: this.near, name };
  }

  /** It is no end of a channel any more. */
  static forget(end: EndName | undefined): void {
    if (end !== undefined) beforeShutdown.delete(end.name);
  }
}

/** The end of a channel: what /proc calls it, and the number that it had at first. */
export interface EndName {
  readonly fd: Fd;
  readonly name: string;
}

/** The number of an end, if it still is the first. */
export const numberOf = ({ fd, name }: EndName): number | undefined =>
  nameOf(fd) === name ? fd : undefined;

/** Numbers of ends that have others than the first now, as far as they are open in this process. */
export const findNumbers = (ends: ReadonlyArray<EndName>): ReadonlyArray<number> => {
  const names = new Set(ends.map(({ name }) => name));
  try {
    return readdirSync("/proc/self/fd").flatMap((fd) =>
      names.delete(nameOf(fd) ?? "") ? [Number(fd)] : [],
    );
  } catch {
    return [];
  }
};
