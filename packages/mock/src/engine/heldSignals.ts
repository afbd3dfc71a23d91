import { SI, SIG } from "@rsyscall/abi";
import { AsyncSignalfd } from "@rsyscall/epoller";
import { type HandleFailure, SignalBlock, Signalfd } from "@rsyscall/handle";
import type { ChildProcess, Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";

/**
 * Signals that are passed on: those by which a program is told something. Others are about what the process itself
 * does (SIGSEGV, SIGCHLD), cannot be caught, or stop it: the kernel stops and continues a shell's job as a whole, which no message of ours could
 * do without a race.
 */
const PASSED: ReadonlySet<number> = new Set([
  ...[SIG.HUP, SIG.INT, SIG.QUIT, SIG.USR1, SIG.USR2, SIG.PIPE, SIG.ALRM, SIG.TERM, SIG.CONT],
  ...[SIG.URG, SIG.VTALRM, SIG.PROF, SIG.WINCH, SIG.IO, SIG.PWR],
]);

/**
 * Holds the signals for a process back from now on, until the scope closes. The child that is started meanwhile begins
 * with `sigmask`, which is what the process had blocked; `to` passes the signals on to it.
 */
export const heldSignals = (
  thread: Thread,
): Effect.Effect<
  {
    readonly sigmask: ReadonlySet<number>;
    readonly to: (child: ChildProcess) => Effect.Effect<void, never, Scope.Scope>;
  },
  HandleFailure,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const { programSignals, sigmask: own } = thread.task;
    const sigmask = new Set(programSignals.maskOf(own));
    yield* SignalBlock.make(thread, PASSED);
    const signalfd = yield* Signalfd.make(thread, PASSED);
    const signals = yield* AsyncSignalfd.make(yield* thread.epoller(), signalfd);
    const passOn = (child: ChildProcess) =>
      Effect.flatMap(signals.wait(), (sent) =>
        Effect.forEach(
          sent,
          // A terminal sends SIGINT for ^C to all processes of the group, so the child has it already.
          ({ signo, code }) =>
            code === SI.KERNEL ? Effect.void : Effect.ignore(child.kill(signo)),
          { discard: true },
        ),
      );
    return {
      sigmask,
      to: (child) => Effect.asVoid(Effect.forkScoped(Effect.ignore(Effect.forever(passOn(child))))),
    };
  });
