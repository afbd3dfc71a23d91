import type { Connection, SharedMemory } from "@rsyscall/connection";
import type { Epoller } from "@rsyscall/epoller";
import type { FileDescriptor, HandleFailure, Task } from "@rsyscall/handle";
import type { Effect, Scope } from "effect";
import type { Ancestor } from "./descent.ts";
import type { Environment } from "./Environment.ts";
import type { NativeLoader } from "./NativeLoader.ts";

/** The parts of a Thread. */
export interface ThreadFields {
  readonly task: Task;
  readonly connection: Connection;
  /** The process's memory, if this process shares it. */
  readonly memory: SharedMemory | undefined;
  readonly loader: NativeLoader;
  /** The epoller that waits for the process's descriptors. It is made at the first use. */
  readonly epoller: () => Effect.Effect<Epoller, HandleFailure>;
  readonly environ: Environment;
  /** Descriptors 0, 1 and 2. Their kinds are unknown; they may even be closed. */
  readonly stdin: FileDescriptor;
  readonly stdout: FileDescriptor;
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
