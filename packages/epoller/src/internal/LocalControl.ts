import { Bytes, EPOLL_CTL, type EpollEvent } from "@rsyscall/abi";
import {
  type BorrowFailure,
  type Epoll,
  encode,
  type FileDescriptor,
  type MallocFailure,
} from "@rsyscall/handle";
import { type Address, LocalSyscallInterface, SyscallError } from "@rsyscall/near";
import { Effect, type Scope } from "effect";

/** epoll_ctl(2) of an instance of this process, as plain code: every call of a server registers its socket. */
export class LocalControl {
  readonly #epoll: Epoll;
  readonly #local: LocalSyscallInterface;
  readonly #event: Address;

  private constructor(epoll: Epoll, local: LocalSyscallInterface, event: Address) {
    this.#epoll = epoll;
    this.#local = local;
    this.#event = event;
  }

  /** Undefined for an instance of another process. */
  static make(
    epoll: Epoll,
  ): Effect.Effect<LocalControl | undefined, MallocFailure | BorrowFailure, Scope.Scope> {
    const { task } = epoll;
    const local = LocalSyscallInterface.of(task.sysif);
    if (local === undefined) return Effect.succeed(undefined);
    return Effect.map(
      Effect.flatMap(task.malloc(Bytes, task.abi.epollEvent.size), (buffer) => buffer.address()),
      (address) => new LocalControl(epoll, local, address),
    );
  }

  /** EPOLL_CTL_ADD. Undefined if it has worked. */
  add({ near }: FileDescriptor, event: EpollEvent): SyscallError | undefined {
    this.#local.writeNow(this.#event, encode(this.#epoll.task.abi.epollEvent, event));
    const result = this.#call(EPOLL_CTL.ADD, near, this.#event);
    return result < 0 ? SyscallError.from("epoll_ctl", result, `fd ${near}`) : undefined;
  }

  /** EPOLL_CTL_DEL */
  delete({ near }: FileDescriptor): void {
    this.#call(EPOLL_CTL.DEL, near, 0);
  }

  #call(operation: number, fd: number, event: number): number {
    const { abi, direct } = this.#epoll.task.sysif;
    const number = abi.syscallNumber("epoll_ctl") as number;
    return Number(direct?.submit(number, this.#epoll.near, operation, fd, event, 0, 0));
  }
}
