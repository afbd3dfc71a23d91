import { IFF, ifreqs, O, TUN } from "@rsyscall/abi";
import type { PathLike } from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { IoFailure } from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import { open } from "../fcntl.ts";
import { ifreq } from "../net/if.ts";
import type { TaskLike } from "../TaskLike.ts";

/** What a TUN or TAP interface is made with. */
export interface TunOptions {
  /** Its name, in which the kernel replaces %d by a number. Default: "tun%d". */
  readonly name?: string;
  /** Of `IFF`. Default: TUN and NO_PI, which gives IP packets without a header in front of them. */
  readonly flags?: number;
  /** Where the device is. Default: /dev/net/tun. */
  readonly device?: PathLike;
}

/**
 * A network interface whose packets the program reads and writes: linux/if_tun.h. A read gives one packet, and a write
 * takes one. The interface is gone when the descriptor is closed.
 */
export class Tun extends FileDescriptor {
  /**
   * Makes an interface of the task's network namespace, close-on-exec: TUNSETIFF. Needs CAP_NET_ADMIN there; EBUSY for
   * a name that another process uses. `name` tells its name, for `Rtnetlink`.
   */
  static make(
    { task }: TaskLike,
    { name = "tun%d", flags = IFF.TUN | IFF.NO_PI, device = "/dev/net/tun" }: TunOptions = {},
  ): Effect.Effect<Tun, IoFailure, Scope.Scope> {
    return Effect.flatMap(open(task, device, O.RDWR), (fd) =>
      Effect.tap(fd.reclassify(Tun), (tun) =>
        tun.use((number) => ifreq(task, number, TUN.SETIFF, name, ifreqs.flags, flags)),
      ),
    );
  }

  /** TUNGETIFF: the name of the interface. */
  name(): Effect.Effect<string, IoFailure> {
    return this.use((fd) =>
      Effect.map(ifreq(this.task, fd, TUN.GETIFF, "", ifreqs.flags, undefined), ({ name }) => name),
    );
  }
}
