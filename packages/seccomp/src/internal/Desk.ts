import {
  AT,
  EPOLL_CTL,
  fsDecode,
  listOf,
  PIDFD_GET_INFO,
  PIDFD_INFO,
  PidfdInfo,
  SECCOMP_IOCTL_NOTIF,
  SeccompNotif,
  SeccompNotifResp,
  type SyscallName,
  Uint64,
} from "@rsyscall/abi";
import type { HandleFailure, Task } from "@rsyscall/handle";
import { unviewMemory, viewMemory } from "@rsyscall/native";
import { acquire, InvalidStateError, LocalSyscallInterface } from "@rsyscall/near";
import { Effect, type Scope } from "effect";

/** Bytes within which memory is either readable or not. No machine has smaller pages. */
export const PAGE = 4096;

/** The most ranges of one `read`. */
export const RANGES = 64;

/** Bytes of one `read` at most. */
export const ROOM = 64 * 1024;

/** Events of one `events` at most. */
const EVENTS = 64;

/** Where each thing lies in the memory. */
const NOTIF = 0;
const RESPONSE = 128;
const HERE = 160;
const INFO = 192;
const EVENT = 256;
const COOKIE = 272;
const PATH = 288;
const THERE = 512;
const EVENTS_AT = THERE + 16 * RANGES;
const LINK = PAGE;
const DATA = 2 * PAGE;
const SIZE = DATA + ROOM;

const DATA_AT = SeccompNotif.offsets.data;

/**
 * System calls of this process about others, and memory for their arguments and results: without an Effect and
 * without a copy, because each exec of a tree takes a dozen. Results are the kernel's, `-errno` included.
 */
export class Desk {
  readonly #sysif: LocalSyscallInterface;
  readonly #base: number;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #number: Readonly<Record<string, number>>;
  /** The size of an epoll_event, and the place of its data. */
  readonly #eventSize: number;

  private constructor(sysif: LocalSyscallInterface, base: number, memory: ArrayBuffer) {
    this.#sysif = sysif;
    this.#base = base;
    this.#bytes = Buffer.from(memory);
    this.#view = new DataView(memory);
    this.#number = Object.fromEntries(
      calls.map((name) => [name, sysif.abi.syscallNumber(name) as number]),
    );
    this.#eventSize = sysif.abi.epollEvent.size;
  }

  /** @param task of this process; InvalidStateError for another */
  static make(task: Task): Effect.Effect<Desk, HandleFailure, Scope.Scope> {
    const sysif = LocalSyscallInterface.of(task.sysif);
    if (sysif === undefined)
      return Effect.fail(
        new InvalidStateError({
          syscall: "process_vm_readv",
          subject: String(task),
          problem: "is not this process",
          remedy: "use a Thread of this host, whose connection begins in this process",
        }),
      );
    return Effect.flatMap(task.malloc(listOf(Uint64), SIZE), (memory) =>
      Effect.flatMap(memory.address(), (base) =>
        Effect.map(
          acquire(
            Effect.sync(() => viewMemory(base, SIZE)),
            (buffer) => Effect.sync(() => unviewMemory(buffer)),
          ),
          (buffer) => {
            const desk = new Desk(sysif, base, buffer);
            desk.#bytes.fill(0, 0, DATA);
            desk.#view.setBigUint64(HERE, BigInt(base + DATA), true);
            return desk;
          },
        ),
      ),
    );
  }

  #call(name: (typeof calls)[number], a: number, b = 0, c = 0, d = 0, e = 0, f = 0): number {
    return Number(this.#sysif.submit(this.#number[name] as number, a, b, c, d, e, f));
  }

  /** SECCOMP_IOCTL_NOTIF_RECV: the call is in `notif*` then. */
  receive(listener: number): number {
    // The kernel insists on zeros.
    this.#bytes.fill(0, NOTIF, NOTIF + SeccompNotif.size);
    return this.#call("ioctl", listener, SECCOMP_IOCTL_NOTIF.RECV, this.#base + NOTIF);
  }

  get notifId(): bigint {
    return this.#view.getBigUint64(NOTIF, true);
  }

  get notifPid(): number {
    return this.#view.getUint32(NOTIF + 8, true);
  }

  get notifNumber(): number {
    return this.#view.getUint32(NOTIF + DATA_AT, true);
  }

  get notifArch(): number {
    return this.#view.getUint32(NOTIF + DATA_AT + 4, true);
  }

  get notifInstruction(): number {
    return this.#word(NOTIF + DATA_AT + 8);
  }

  notifArg(index: number): number {
    return this.#word(NOTIF + DATA_AT + 16 + 8 * index);
  }

  /** An address: those of user space are exact, and no other can be read. */
  #word(at: number): number {
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }

  /** SECCOMP_IOCTL_NOTIF_SEND */
  respond(listener: number, id: bigint, error: number, flags: number): number {
    const view = this.#view;
    const { offsets } = SeccompNotifResp;
    view.setBigUint64(RESPONSE, id, true);
    view.setInt32(RESPONSE + offsets.error, error, true);
    view.setUint32(RESPONSE + offsets.flags, flags, true);
    return this.#call("ioctl", listener, SECCOMP_IOCTL_NOTIF.SEND, this.#base + RESPONSE);
  }

  /** SECCOMP_IOCTL_NOTIF_ID_VALID: whether the call still waits. */
  idValid(listener: number, id: bigint): boolean {
    this.#view.setBigUint64(COOKIE, id, true);
    return this.#call("ioctl", listener, SECCOMP_IOCTL_NOTIF.ID_VALID, this.#base + COOKIE) === 0;
  }

  /** Sets a range of the next `read`. */
  range(index: number, address: number, length: number): void {
    const view = this.#view;
    const at = THERE + 16 * index;
    view.setUint32(at, address >>> 0, true);
    view.setUint32(at + 4, Math.floor(address / 2 ** 32), true);
    view.setUint32(at + 8, length, true);
    view.setUint32(at + 12, 0, true);
  }

  /** process_vm_readv(2) of ranges into `data`, one behind the other. Stops at the first that is not readable. */
  read(pid: number, ranges: number, total: number): number {
    const base = this.#base;
    const view = this.#view;
    view.setUint32(HERE + 8, total, true);
    return this.#call("process_vm_readv", pid, base + HERE, 1, base + THERE, ranges, 0);
  }

  /** An address of 4 or 8 bytes among the data. */
  dataPointer(at: number, size: 4 | 8): number {
    return size === 8 ? this.#word(DATA + at) : this.#view.getUint32(DATA + at, true);
  }

  /** Where the first NUL from `at` on is in the data; -1 for none before `end`. */
  dataNul(at: number, end: number): number {
    const found = this.#bytes.indexOf(0, DATA + at) - DATA;
    return found >= 0 && found < end ? found : -1;
  }

  /** Text in the data, by `fsDecode`. */
  dataText(at: number, end: number): string {
    return this.#text(DATA + at, DATA + end);
  }

  /** A copy of data. */
  data(at: number, end: number): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(DATA + at, DATA + end));
  }

  #text(at: number, end: number): string {
    const text = this.#bytes.toString("utf8", at, end);
    return text.includes("\ufffd") ? fsDecode(this.#bytes.subarray(at, end)) : text;
  }

  /** readlink(2) of a path in ASCII; undefined if it fails. */
  readlink(path: string): string | undefined {
    const base = this.#base;
    const length = this.#bytes.write(path, PATH, "latin1");
    this.#bytes[PATH + length] = 0;
    const count = this.#call("readlinkat", AT.FDCWD, base + PATH, base + LINK, PAGE);
    return count < 0 ? undefined : this.#text(LINK, LINK + count);
  }

  /** pidfd_open(2) */
  pidfdOpen(pid: number): number {
    return this.#call("pidfd_open", pid);
  }

  /** pidfd_send_signal(2) */
  sendSignal(pidfd: number, signal: number): void {
    this.#call("pidfd_send_signal", pidfd, signal);
  }

  /** PIDFD_GET_INFO: the facts are in `info*` then. */
  getInfo(pidfd: number): number {
    // The high half of the mask stays 0.
    this.#view.setUint32(INFO, PIDFD_INFO.PID | PIDFD_INFO.EXIT, true);
    const result = this.#call("ioctl", pidfd, PIDFD_GET_INFO, this.#base + INFO);
    // Else it would be that of another process.
    if (result < 0) this.#view.setUint32(INFO, 0, true);
    return result;
  }

  /** Of PIDFD_INFO. */
  get infoMask(): number {
    return this.#view.getUint32(INFO, true);
  }

  get infoParent(): number {
    return this.#view.getUint32(INFO + PidfdInfo.offsets.ppid, true);
  }

  get infoExitCode(): number {
    return this.#view.getInt32(INFO + PidfdInfo.offsets.exitCode, true);
  }

  /** epoll_ctl(2) with EPOLL_CTL.ADD. */
  add(epoll: number, fd: number, events: number, data: number): number {
    const event = this.#sysif.abi.epollEvent;
    event.encode({ events, data }, this.#bytes.subarray(EVENT, EVENT + this.#eventSize));
    return this.#call("epoll_ctl", epoll, EPOLL_CTL.ADD, fd, this.#base + EVENT);
  }

  /** epoll_ctl(2) with EPOLL_CTL.DEL. */
  remove(epoll: number, fd: number): void {
    this.#call("epoll_ctl", epoll, EPOLL_CTL.DEL, fd);
  }

  /** epoll_wait(2) without waiting: calls back for each event. Gives whether there may be more. */
  events(epoll: number, onEvent: (events: number, data: number) => void): boolean {
    const count = this.#call("epoll_pwait", epoll, this.#base + EVENTS_AT, EVENTS, 0, 0, 8);
    const data = this.#eventSize - 8;
    // The calls that follow an event use other places of the memory.
    for (let i = 0; i < count; i++) {
      const at = EVENTS_AT + i * this.#eventSize;
      onEvent(this.#view.getUint32(at, true), this.#view.getUint32(at + data, true));
    }
    return count === EVENTS;
  }

  close(fd: number): void {
    this.#call("close", fd);
  }
}

const calls = [
  "ioctl",
  "process_vm_readv",
  "readlinkat",
  "pidfd_open",
  "pidfd_send_signal",
  "epoll_ctl",
  "epoll_pwait",
  "close",
] as const satisfies ReadonlyArray<SyscallName>;
