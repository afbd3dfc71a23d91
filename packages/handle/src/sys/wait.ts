import { type ChildSiginfo, CLD, signalName } from "@rsyscall/abi";
import { oneLine, Pid } from "@rsyscall/near";

/** What happened to a child: sys/wait.h. */
export class ChildState {
  /** Of `CLD`. */
  readonly code: number;
  /** The child's number in the pid namespace of its parent. */
  readonly pid: Pid;
  /** Real user id of the child. */
  readonly uid: number;
  /** The exit status, or the signal. */
  readonly status: number;

  private constructor(code: number, pid: Pid, uid: number, status: number) {
    this.code = code;
    this.pid = pid;
    this.uid = uid;
    this.status = status;
  }

  /** Makes a state of what waitid(2) has given. EPROTO if no kernel gives such a code. */
  static from({ code, pid, uid, status }: ChildSiginfo): ChildState {
    return new ChildState(code, Pid(pid), uid, status);
  }

  /** 0 to 255, if the child has exited. */
  get exitStatus(): number | undefined {
    return this.code === CLD.EXITED ? this.status : undefined;
  }

  /** The signal that ended, stopped or continued the child, if one did. */
  get signal(): number | undefined {
    return this.code === CLD.EXITED ? undefined : this.status;
  }

  /** Whether the child has ended. */
  get died(): boolean {
    return this.code === CLD.EXITED || this.code === CLD.KILLED || this.code === CLD.DUMPED;
  }

  /** Whether the child has exited with status 0. */
  get clean(): boolean {
    return this.exitStatus === 0;
  }

  /** As a shell would say it: "exited with status 1", "was killed by SIGTERM". */
  toString(): string {
    switch (this.code) {
      case CLD.EXITED:
        return `exited with status ${this.status}`;
      case CLD.KILLED:
        return `was killed by ${signalName(this.status)}`;
      case CLD.DUMPED:
        return `was killed by ${signalName(this.status)}, and dumped core`;
      case CLD.CONTINUED:
        return "was continued";
      default:
        return `was stopped by ${signalName(this.status)}`;
    }
  }
}

oneLine(ChildState);
