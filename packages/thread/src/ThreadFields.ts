import type { Connection, SharedMemory } from "@rsyscall/connection";
import type { Epoller } from "@rsyscall/epoller";
import type { FileDescriptor, HandleFailure, Task } from "@rsyscall/handle";
import type { Effect, Scope } from "effect";
import type { Ancestor } from "./descent.ts";
import type { Environment } from "./Environment.ts";
import type { NativeLoader } from "./NativeLoader.ts";

/** What a Thread is made of. */
export interface ThreadFields {
  readonly task: Task;
  readonly connection: Connection;
  /** The process's memory, if this process has it as well. */
  readonly memory: SharedMemory | undefined;
  readonly loader: NativeLoader;
  /** Waits for the process's descriptors. Made when it is first asked for. */
  readonly epoller: () => Effect.Effect<Epoller, HandleFailure>;
  readonly environ: Environment;
  /** Descriptors 0, 1 and 2. Nothing is known of them; they may even be closed. */
  readonly stdin: FileDescriptor;
  readonly stdout: FileDescriptor;
  readonly stderr: FileDescriptor;
  /** As long as the Thread. */
  readonly scope: Scope.Scope;
  /** What has to be done, once, before the process has children. */
  readonly beforeChildren: () => Effect.Effect<void, HandleFailure>;
  /**
   * For a process that is a peer and not our own code: the process on this host from which its children
   * certainly descend. Undefined if that is not known: then only their parent signals them.
   */
  readonly ancestor: Ancestor | undefined;
}
