import type { Connection, SharedMemory } from "@rsyscall/connection";
import type { Epoller } from "@rsyscall/epoller";
import type { FileDescriptor, HandleFailure, Task } from "@rsyscall/handle";
import type { Effect, Scope } from "effect";
import type { Ancestor } from "./descent.ts";
import type { Environment } from "./Environment.ts";
import type { NativeLoader } from "./NativeLoader.ts";

/** The parts of a Thread. */
export interface ThreadFields {
  /** The task of the process. */
  readonly task: Task;
  /** Opens channels to the process and passes descriptors. */
  readonly connection: Connection;
  /** The process's memory, if this process shares it. */
  readonly memory: SharedMemory | undefined;
  /** Loads native code into the process's memory. */
  readonly loader: NativeLoader;
  /** The epoller that waits for the process's descriptors. It is made at the first use. */
  readonly epoller: () => Effect.Effect<Epoller, HandleFailure>;
  /** The environment of programs that the process executes or starts. */
  readonly environ: Environment;
  /** Descriptors 0, 1 and 2. Their kinds are unknown; they may even be closed. */
  readonly stdin: FileDescriptor;
  /** Descriptor 1. It may be closed. */
  readonly stdout: FileDescriptor;
  /** Descriptor 2. It may be closed. */
  readonly stderr: FileDescriptor;
  /** Stays open as long as the Thread. */
  readonly scope: Scope.Scope;
  /** Runs once, before the process has children. */
  readonly beforeChildren: () => Effect.Effect<void, HandleFailure>;
  /**
   * For a process that is a peer, and does not run the controller's own code: the process on this host from which
   * its children certainly descend. Undefined if that is unknown: then only their parent signals them.
   */
  readonly ancestor: Ancestor | undefined;
}
