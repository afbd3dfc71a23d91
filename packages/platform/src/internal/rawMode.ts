import { CFLAG, IFLAG, IOCTL, LFLAG, OFLAG, type Termios, VCC } from "@rsyscall/abi";
import type { FileDescriptor } from "@rsyscall/handle";
import { Effect, Option, type Scope } from "effect";

/** Puts a terminal into raw mode until the scope closes. Does nothing to another descriptor. */
export const rawMode = (fd: FileDescriptor): Effect.Effect<void, never, Scope.Scope> => {
  // To wait until all output is shown (TCSETSW) could block the process for ever.
  const set = (termios: Termios) => fd.ioctl(IOCTL.TCSETS, termios);
  return Effect.asVoid(
    Effect.acquireRelease(
      Effect.option(Effect.tap(fd.ioctl(IOCTL.TCGETS), (before) => set(rawTermios(before)))),
      Option.match({
        onNone: () => Effect.void,
        // The process may have ended.
        onSome: (before) => Effect.ignore(set(before)),
      }),
    ),
  );
};

const { BRKINT, ICRNL, INPCK, ISTRIP, IXON } = IFLAG;
const { ECHO, ICANON, IEXTEN, ISIG } = LFLAG;

/** Node's raw mode: no line editing, no echo, no signals. Output stays as it was: a newline returns the carriage. */
const rawTermios = (before: Termios): Termios => {
  const cc = [...before.cc];
  cc[VCC.MIN] = 1;
  cc[VCC.TIME] = 0;
  return {
    ...before,
    iflag: before.iflag & ~(BRKINT | ICRNL | INPCK | ISTRIP | IXON),
    oflag: before.oflag | OFLAG.ONLCR,
    cflag: before.cflag | CFLAG.CS8,
    lflag: before.lflag & ~(ECHO | ICANON | IEXTEN | ISIG),
    cc,
  };
};
