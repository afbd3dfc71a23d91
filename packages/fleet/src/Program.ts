import type { Thread } from "@rsyscall/thread";
import { Context, type Effect, type FileSystem, type Path, Schema, type Scope } from "effect";
import type { ChildProcessSpawner } from "effect/process";

/** The host on which a program runs. */
export class Host extends Context.Service<
  Host,
  {
    readonly name: string;
    /** A process on the host, which all programs on it share: `fork` it before you change its directory or user. */
    readonly thread: Thread;
  }
>()("@rsyscall/fleet/Host") {}

/** The run of a program, as the program sees it. */
export class Attempt extends Context.Service<
  Attempt,
  {
    /** Identifies what is to be done: the same for each attempt of a step of a rollout on a host. */
    readonly key: string;
    /** Whether an attempt before this one may have done all or a part of it already. */
    readonly again: boolean;
  }
>()("@rsyscall/fleet/Attempt") {}

/** What a program on a host is given: its Thread, and Effect's services over that Thread. */
export type HostServices =
  | Host
  | Attempt
  | FileSystem.FileSystem
  | Path.Path
  | ChildProcessSpawner.ChildProcessSpawner
  | Scope.Scope;

/** A schema whose values are sent without a service. */
export type Plain = Schema.Codec<unknown, unknown>;

/**
 * What is done on a host: an Effect over its Thread, or over Effect's FileSystem and ChildProcessSpawner there. It has a
 * name, because it runs in the process that owns the host, which may be another one than that of the caller; all
 * of them have the same programs.
 */
export interface Program<
  Payload extends Plain,
  Success extends Plain,
  Error extends Plain,
  R = never,
> {
  readonly name: string;
  /** What it is given. */
  readonly payload: Payload;
  /** Its result. */
  readonly success: Success;
  /** The errors that a caller gets as they are. All others become a HostError. */
  readonly error: Error;
  /** What it does. */
  readonly execute: (
    payload: Payload["Type"],
  ) => Effect.Effect<Success["Type"], unknown, R | HostServices>;
}

/** Any program. */
// biome-ignore lint/suspicious/noExplicitAny: a program of any payload is none of `unknown`
export type AnyProgram<R = any> = Program<any, any, any, R>;

interface Schemas<Payload, Success, Error> {
  readonly payload?: Payload;
  readonly success?: Success;
  readonly error?: Error;
}

/** Makes programs. */
export const Program = {
  /**
   * Makes a program.
   *
   * @param schemas of what it is given (default: nothing), of its result (default: nothing), and of the errors that a
   * caller gets as they are (default: none)
   *
   * @example
   * ```ts
   * import { Host, Program } from "@rsyscall/fleet";
   * import { Effect, Schema } from "effect";
   *
   * const uptime = Program.make("uptime", { success: Schema.String }, () =>
   *   Effect.gen(function* () {
   *     const { thread } = yield* Host;
   *     return new TextDecoder().decode(yield* thread.slurp("/proc/uptime"));
   *   }),
   * );
   * ```
   */
  make: <
    R,
    Payload extends Plain = typeof Schema.Void,
    Success extends Plain = typeof Schema.Void,
    Error extends Plain = typeof Schema.Never,
  >(
    name: string,
    schemas: Schemas<Payload, Success, Error>,
    execute: (payload: Payload["Type"]) => Effect.Effect<Success["Type"], unknown, R>,
  ): Program<Payload, Success, Error, Exclude<R, HostServices>> => ({
    name,
    payload: schemas.payload ?? (Schema.Void as unknown as Payload),
    success: schemas.success ?? (Schema.Void as unknown as Success),
    error: schemas.error ?? (Schema.Never as unknown as Error),
    execute: execute as Program<Payload, Success, Error, Exclude<R, HostServices>>["execute"],
  }),
};
