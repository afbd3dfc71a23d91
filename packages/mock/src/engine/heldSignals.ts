import { ChildSiginfo, P, SI, SIG, W } from "@rsyscall/abi";
import { AsyncSignalfd } from "@rsyscall/epoller";
import { type HandleFailure, SignalBlock, Signalfd } from "@rsyscall/handle";
import { waitid } from "@rsyscall/near";
import type { ChildProcess, Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";

/**
 * Signals that are passed on: those by which a program is told something. Others are about what the process itself
 * does (SIGSEGV), or cannot be caught. SIGCHLD tells that the program has stopped.
 */
const HELD: ReadonlySet<number> = new Set([
  ...[SIG.HUP, SIG.INT, SIG.QUIT, SIG.USR1, SIG.USR2, SIG.PIPE, SIG.ALRM, SIG.TERM, SIG.CONT],
  ...[SIG.URG, SIG.VTALRM, SIG.PROF, SIG.WINCH, SIG.IO, SIG.PWR, SIG.CHLD],
  ...[SIG.TSTP, SIG.TTIN, SIG.TTOU],
]);

/**
 * Holds the signals for a process back from now on, until the scope closes. The child that is started meanwhile begins
 * with `sigmask`, which is what the process had blocked; `to` passes the signals on to it. When the child stops, so does
 * the process, because a shell sees this one: job control is as without us.
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
    const { task } = thread;
    const { programSignals, sigmask: own } = task;
    const sigmask = new Set(programSignals.maskOf(own));
    yield* SignalBlock.make(thread, HELD);
    const signalfd = yield* Signalfd.make(thread, HELD);
    const signals = yield* AsyncSignalfd.make(yield* thread.epoller(), signalfd);
    /** SIGSTOP, whatever has stopped the child. Only if it has not been continued: that clears what waitid(2) tells. */
    const stopWith = (child: ChildProcess) =>
      Effect.flatMap(
        task.withResult(ChildSiginfo, (info) =>
          waitid(task.sysif, P.PID, child.pid, info, W.STOPPED | W.NOHANG),
        ),
        ({ signo }) => (signo === 0 ? Effect.void : thread.raise(SIG.STOP)),
      );
    const passOn = (child: ChildProcess) =>
      Effect.flatMap(signals.wait(), (sent) =>
        Effect.forEach(
          // SIGCONT takes back stop signals that have not been taken: those that were taken come first therefore.
          sent.toSorted((a, b) => Number(a.signo === SIG.CHLD) - Number(b.signo === SIG.CHLD)),
          // A terminal sends SIGINT for ^C to all processes of the group, so the child has it already.
          ({ signo, code }) =>
            signo === SIG.CHLD
              ? Effect.ignore(stopWith(child))
              : code === SI.KERNEL
                ? Effect.void
                : Effect.ignore(child.kill(signo)),
          { discard: true },
        ),
      );
    return {
      sigmask,
      to: (child) => Effect.asVoid(Effect.forkScoped(Effect.ignore(Effect.forever(passOn(child))))),
    };
  });
