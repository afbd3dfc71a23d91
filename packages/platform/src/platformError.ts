import type { ErrnoName } from "@rsyscall/abi";
import { UseAfterFreeError } from "@rsyscall/handle";
import { InvalidArgumentError, SyscallError } from "@rsyscall/near";
import { PlatformError } from "effect";

/**
 * Effect's names for errnos. They are those of its own services for Node, which call all others Unknown,
 * EAGAIN included: a program must get the same reasons here and there.
 */
const tags: Readonly<Partial<Record<ErrnoName, PlatformError.SystemErrorTag>>> = {
  ENOENT: "NotFound",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EEXIST: "AlreadyExists",
  EISDIR: "BadResource",
  ENOTDIR: "BadResource",
  ELOOP: "BadResource",
  EBUSY: "Busy",
};

const tagOf = (error: Error): PlatformError.SystemErrorTag =>
  error instanceof SyscallError
    ? (tags[error.errno] ?? "Unknown")
    : error instanceof UseAfterFreeError
      ? "BadResource"
      : "Unknown";

/**
 * Makes a PlatformError of a failure in a Thread. The failure itself, with its errno, is the cause.
 *
 * @param module the service, as in "FileSystem", and its `method`
 */
export const platformError =
  (module: string, method: string, pathOrDescriptor?: string | number) =>
  (error: Error): PlatformError.PlatformError =>
    error instanceof InvalidArgumentError
      ? PlatformError.badArgument({ module, method, description: error.message, cause: error })
      : PlatformError.systemError({
          _tag: tagOf(error),
          module,
          method,
          description: error.message,
          ...(error instanceof SyscallError && { syscall: error.syscall }),
          ...(pathOrDescriptor !== undefined && { pathOrDescriptor }),
          cause: error,
        });
