import type { FileDescriptor, HandleFailure } from "@rsyscall/handle";
import { batchThen, ioctl } from "@rsyscall/near";
import { Effect, Option, type Scope } from "effect";

/** Puts a terminal into raw mode until the scope closes. Does nothing to another descriptor. */
export const rawMode = (fd: FileDescriptor): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.option(Effect.tap(getTermios(fd), (before) => setTermios(fd, rawTermios(before)))),
      Option.match({
        onNone: () => Effect.void,
        // The process may have ended.
        onSome: (before) => Effect.ignore(setTermios(fd, before)),
      }),
    ),
  );

/** Requests of ioctl_tty(2), and the `struct termios` of the kernel: TCSETS(2const). */
const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TERMIOS_SIZE = 36;

/** Offsets in it. Its modes are 32 bits each. */
const IFLAG = 0;
const OFLAG = 4;
const CFLAG = 8;
const LFLAG = 12;
const CC = 17;
const VTIME = 5;
const VMIN = 6;

/** Node's raw mode: no line editing, no echo, no signals. Output stays as it was: a newline returns the carriage. */
const rawTermios = (before: Uint8Array): Uint8Array => {
  const termios = before.slice();
  const view = new DataView(termios.buffer);
  const change = (offset: number, clear: number, set: number) =>
    view.setUint32(offset, ((view.getUint32(offset, true) & ~clear) | set) >>> 0, true);
  change(IFLAG, BRKINT | ICRNL | INPCK | ISTRIP | IXON, 0);
  change(OFLAG, 0, ONLCR);
  change(CFLAG, 0, CS8);
  change(LFLAG, ECHO | ICANON | IEXTEN | ISIG, 0);
  termios[CC + VMIN] = 1;
  termios[CC + VTIME] = 0;
  return termios;
};

/** Modes of termios(3), which are the same on all supported machines. */
const BRKINT = 0x2;
const INPCK = 0x10;
const ISTRIP = 0x20;
const ICRNL = 0x100;
const IXON = 0x400;
const ONLCR = 0x4;
const CS8 = 0x30;
const ISIG = 0x1;
const ICANON = 0x2;
const ECHO = 0x8;
const IEXTEN = 0x8000;

/** Gets the modes of a terminal: ENOTTY for another descriptor. */
const getTermios = (fd: FileDescriptor): Effect.Effect<Uint8Array, HandleFailure> => {
  const { task } = fd;
  return Effect.flatMap(fd.borrow(task), (number) =>
    task.withMemory(TERMIOS_SIZE, 4, (at) =>
      Effect.map(
        batchThen([ioctl(task.sysif, number, TCGETS, at)], task.sysif.read(at, TERMIOS_SIZE)),
        ([, bytes]) => bytes,
      ),
    ),
  );
};

/** Sets the modes at once. Waiting until all output is shown (TCSETSW) could block the process for ever. */
const setTermios = (
  fd: FileDescriptor,
  termios: Uint8Array,
): Effect.Effect<void, HandleFailure> => {
  const { task } = fd;
  return Effect.flatMap(fd.borrow(task), (number) =>
    Effect.asVoid(task.withBytes(termios, (at) => ioctl(task.sysif, number, TCSETS, at), 4)),
  );
};
