import type { ArgumentTest, TextTest } from "./pattern.ts";

/** A piece of output: on stdout (1) or stderr (2). */
export type Chunk = readonly [fd: 1 | 2, bytes: Uint8Array];

/** What a caller gets without more ado. */
export interface ReplyOptions {
  /** What goes to stdout, before `stderr`. */
  readonly stdout?: string | Uint8Array;
  /** What goes to stderr, behind `stdout`. */
  readonly stderr?: string | Uint8Array;
  /** Output in its order, in place of `stdout` and `stderr`. */
  readonly chunks?: ReadonlyArray<readonly [fd: 1 | 2, bytes: string | Uint8Array]>;
  /** Exit status, from 0 to 255. Default 0. */
  readonly status?: number;
  /** The signal that ends the process, in place of a status: its name ("SIGTERM") or number. */
  readonly signal?: string | number;
  /** Milliseconds until the reply. */
  readonly delay?: number;
}

/** Lets the real program run in the process that called: same pid, stdio and parent. */
export interface Pass {
  /** Tells this reply from others. */
  readonly reply: "pass";
  /** Another program: a name that is looked up in PATH behind the mocks, or a path. */
  readonly program?: string;
  /** Other arguments, without argv[0]. */
  readonly args?: ReadonlyArray<string>;
  /** Changes to the environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whether the program's own calls of mocked names come to us. Default true. */
  readonly mocked?: boolean;
  /**
   * Whether it runs as a child of this process, with the caller's stdin, stdout, stderr and directory, and not in the
   * caller's process: outside of a namespace or a filter that confines the caller. It has its end in common with the
   * caller. Default false.
   */
  readonly outside?: boolean;
}

/** The real program, as the caller has called it. `pass({ ... })` changes what it is called with. */
export const pass: Pass & ((options: Omit<Pass, "reply">) => Pass) = Object.assign(
  (options: Omit<Pass, "reply">): Pass => ({ ...options, reply: "pass" }),
  { reply: "pass" as const },
);

/** Lets the real program run as a child of the process that called, and records its stdin, stdout and stderr. */
export interface Spy {
  /** Tells this reply from others. */
  readonly reply: "spy";
  /** The most bytes of each stream that are recorded; what is over it is in `cut` of the record. Default: 1 MiB. */
  readonly limit?: number;
}

/** The real program, recorded. `spy({ ... })` says how. See {@link Spy}. */
export const spy: Spy & ((options: Omit<Spy, "reply">) => Spy) = Object.assign(
  (options: Omit<Spy, "reply">): Spy => ({ ...options, reply: "spy" }),
  { reply: "spy" as const },
);

/** A reply that can be sent to another thread. */
export type ReplyData =
  | {
      readonly reply: "fixed";
      readonly chunks: ReadonlyArray<Chunk>;
      readonly status: number;
      readonly signal?: number;
      readonly delay?: number;
    }
  | Pass
  | Spy
  /** A function in the thread of the test. */
  | { readonly reply: "closure"; readonly id: number }
  /** The default export of a module, which the engine runs. */
  | { readonly reply: "module"; readonly url: string }
  /** A call that must not come. */
  | { readonly reply: "deny"; readonly message: string; readonly status: number };

/** A rule, as the engine has it. */
export interface RuleData {
  readonly id: number;
  /** The program's name, or its path if it has a slash; undefined: every program. */
  readonly program: string | undefined;
  readonly args: ReadonlyArray<ArgumentTest>;
  readonly where: Conditions;
  readonly min: number;
  readonly max: number;
  /** In turn; the last one repeats. */
  readonly replies: ReadonlyArray<ReplyData>;
  /** Whether it only takes calls that no other rule of the program is for. */
  readonly isOtherwise: boolean;
  /** Rules with the same group are called in the order of their ids. */
  readonly group?: number;
}

/** What else of a call must be as wanted. */
export interface Conditions {
  readonly stdin?: TextTest;
  readonly cwd?: TextTest;
  /** Undefined: the variable is not set. */
  readonly env?: Readonly<Record<string, TextTest | undefined>>;
}
