import { Errno, type ErrnoName } from "@rsyscall/abi";

/** What becomes of an exec. */
export type Decision = Allow | Deny;

/** The kernel performs the call, with the arguments that it finds in the memory by then. */
export interface Allow {
  readonly _tag: "Allow";
}

/** The call fails in the caller. */
export interface Deny {
  readonly _tag: "Deny";
  /** The caller sees it: EACCES is "Permission denied". */
  readonly errno: ErrnoName;
  /** For logs: the caller does not see it. */
  readonly message: string | undefined;
}

/** Lets the kernel perform the call. */
export const allow: Allow = { _tag: "Allow" };

/** Makes the call fail. @param errno that the caller sees. Default: EACCES */
export const deny = (message?: string, errno: ErrnoName = "EACCES"): Deny => ({
  _tag: "Deny",
  errno,
  message,
});

/** Checks what a decision function has given: JavaScript may give anything. */
export const isDecision = (value: unknown): value is Decision => {
  const decision = value as Partial<Deny> | Allow | null | undefined;
  return (
    decision?._tag === "Allow" ||
    (decision?._tag === "Deny" && Object.hasOwn(Errno, decision.errno as string))
  );
};
