import { readdirSync, readlinkSync } from "node:fs";
import { SHUT } from "@rsyscall/abi";
import { type FdFailure, Socket } from "@rsyscall/handle";
import type { Fd } from "@rsyscall/near";
import type { Effect } from "effect";

/** Callbacks before an end is shut down for writing, by the name of its socket in /proc. */
const beforeShutdown = new Map<string, (fd: Fd) => void>();

/** Returns the name in /proc of a descriptor's open file. Undefined without /proc. */
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
   * Returns a name that identifies the socket, also when this handle has moved or its number is that of another file.
   *
   * @param onShutdown runs before a handle shuts the socket down for writing
   */
  identify(onShutdown: (fd: Fd) => void): EndName | undefined {
    const name = nameOf(this.near);
    if (name === undefined) return undefined;
    beforeShutdown.set(name, onShutdown);
    return { fd: this.near, name };
  }

  /** Forgets an end: its channel is gone. */
  static forget(end: EndName | undefined): void {
    if (end !== undefined) beforeShutdown.delete(end.name);
  }
}

/** The end of a channel: its name in /proc, and its first descriptor number. */
export interface EndName {
  readonly fd: Fd;
  readonly name: string;
}

/** Returns the number of an end, if it is still the first one. */
export const numberOf = ({ fd, name }: EndName): number | undefined =>
  nameOf(fd) === name ? fd : undefined;

/** Returns the numbers of ends that no longer have their first one, if they are open in this process. */
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
