import type { FileDescriptor, HandleFailure } from "@rsyscall/handle";
import { batchThen, ioctl } from "@rsyscall/near";
import { Effect, Option, type Scope } from "effect";

/** Raw mode of a terminal until the scope closes; nothing for another descriptor. */
export const rawMode = (fd: FileDescriptor): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.option(Effect.tap(getTermios(fd), (before) => setTermios(fd, rawTermios(before)))),
      Option.match({
        onNone: () => Effect.void,
        // The process may be no more.
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

/** As Node's raw mode: no lines, no echo, no signals; output is as it was, with newlines that return. */
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

/** ENOTTY for what is no terminal. */
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

/** At once: to wait until the terminal has shown everything could take for ever, in the process. */
const setTermios = (
  fd: FileDescriptor,
  termios: Uint8Array,
): Effect.Effect<void, HandleFailure> => {
  const { task } = fd;
  return Effect.flatMap(fd.borrow(task), (number) =>
    Effect.asVoid(task.withBytes(termios, (at) => ioctl(task.sysif, number, TCSETS, at), 4)),
  );
};
