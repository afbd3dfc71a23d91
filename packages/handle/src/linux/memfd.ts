import { F, MFD } from "@rsyscall/abi";
import * as near from "@rsyscall/near";
import { Effect, type Scope } from "effect";
import type { FdFailure, MallocFailure } from "../errors.ts";
import { FileDescriptor } from "../FileDescriptor.ts";
import type { TaskLike } from "../TaskLike.ts";

/** A file in memory: linux/memfd.h. */
export class Memfd extends FileDescriptor {
  /** memfd_create(2), close-on-exec. /proc shows the name. */
  static make(
    { task }: TaskLike,
    name: string,
    flags = 0,
  ): Effect.Effect<Memfd, MallocFailure, Scope.Scope> {
    return FileDescriptor.acquire(
      Memfd,
      task,
      task.withPath(
        "memfd_create",
        name,
        (address) => near.memfdCreate(task.sysif, address, near.withFlags(flags, MFD.CLOEXEC)),
        "name",
      ),
    );
  }

  /** ftruncate(2): sets the size in bytes, as a bigint beyond 2^53. */
  truncate(size: number | bigint): Effect.Effect<void, FdFailure> {
    return this.use((fd) => near.ftruncate(this.task.sysif, fd, size));
  }

  /**
   * F_ADD_SEALS: forbids changes for good, to all processes. EPERM without MFD.ALLOW_SEALING, and after F_SEAL.SEAL;
   * EBUSY for F_SEAL.WRITE while a shared mapping can be written.
   *
   * @param seals of `F_SEAL`
   */
  addSeals(seals: number): Effect.Effect<void, FdFailure> {
    return Effect.asVoid(this.fcntl(F.ADD_SEALS, seals)).pipe(
      near.catchErrno(["EPERM", "EBUSY"], (error) =>
        Effect.fail(
          error.because(
            error.errno === "EPERM"
              ? "the memfd was made without MFD.ALLOW_SEALING, or has the seal SEAL"
              : "a shared mapping can still be written: unmap it first",
          ),
        ),
      ),
    );
  }

  /** F_GET_SEALS: the seals, of `F_SEAL`. */
  getSeals(): Effect.Effect<number, FdFailure> {
    return this.fcntl(F.GET_SEALS);
  }

  /** lseek(2). Returns the new offset. */
  lseek(offset: number, whence: number): Effect.Effect<number, FdFailure> {
    return this.use((fd) => near.lseek(this.task.sysif, fd, offset, whence));
  }
}
