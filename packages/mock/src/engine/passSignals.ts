import { SI, SIG } from "@rsyscall/abi";
import { AsyncSignalfd } from "@rsyscall/epoller";
import { type HandleFailure, SignalBlock, Signalfd } from "@rsyscall/handle";
import type { ChildProcess, Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";

/**
 * Signals that are passed on: those by which a program is told something. Others are about what the process itself
 * does (SIGSEGV, SIGCHLD), cannot be caught, or stop it: a process that is stopped passes nothing on.
 */
const PASSED: ReadonlySet<number> = new Set([
  ...[SIG.HUP, SIG.INT, SIG.QUIT, SIG.USR1, SIG.USR2, SIG.PIPE, SIG.ALRM, SIG.TERM, SIG.CONT],
  ...[SIG.URG, SIG.VTALRM, SIG.PROF, SIG.WINCH, SIG.IO, SIG.PWR],
]);

/**
 * Passes signals for a process on to its child, until the scope closes. Those that a terminal sends, as SIGINT for ^C,
 * go to all processes of the group, so the child has them already.
 */
export const passSignals = (
  thread: Thread,
  child: ChildProcess,
): Effect.Effect<void, HandleFailure, Scope.Scope> =>
  Effect.gen(function* () {
    yield* SignalBlock.make(thread, PASSED);
    const signalfd = yield* Signalfd.make(thread, PASSED);
    const signals = yield* AsyncSignalfd.make(yield* thread.epoller(), signalfd);
    const passOn = Effect.flatMap(signals.wait(), (sent) =>
      Effect.forEach(
        sent,
        ({ signo, code }) => (code === SI.KERNEL ? Effect.void : Effect.ignore(child.kill(signo))),
        { discard: true },
      ),
    );
    yield* Effect.forkScoped(Effect.ignore(Effect.forever(passOn)));
  });
