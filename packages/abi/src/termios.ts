import { arrayOf, type FixedCodec, struct, Uint8, Uint32 } from "./Codec.ts";

/** Input modes of a terminal: termios(3). */
export const IFLAG = {
  IGNBRK: 0o1,
  BRKINT: 0o2,
  IGNPAR: 0o4,
  PARMRK: 0o10,
  INPCK: 0o20,
  ISTRIP: 0o40,
  INLCR: 0o100,
  IGNCR: 0o200,
  /** Typed carriage returns are read as newlines. */
  ICRNL: 0o400,
  IUCLC: 0o1000,
  /** Ctrl-S stops the output. */
  IXON: 0o2000,
  IXANY: 0o4000,
  IXOFF: 0o10000,
  IMAXBEL: 0o20000,
  /** The erase character removes a whole character of UTF-8. */
  IUTF8: 0o40000,
} as const;

/** Output modes of a terminal: termios(3). */
export const OFLAG = {
  /** The output is processed: without it the other modes have no effect. */
  OPOST: 0o1,
  OLCUC: 0o2,
  /** A newline is written as carriage return and newline. */
  ONLCR: 0o4,
  OCRNL: 0o10,
  ONOCR: 0o20,
  ONLRET: 0o40,
  OFILL: 0o100,
  OFDEL: 0o200,
} as const;

/** Control modes of a terminal: termios(3). */
export const CFLAG = {
  /** The bits of the speed: see {@link BAUD}. */
  CBAUD: 0o10017,
  /** The bits of the size of a character. */
  CSIZE: 0o60,
  CS5: 0o0,
  CS6: 0o20,
  CS7: 0o40,
  CS8: 0o60,
  CSTOPB: 0o100,
  CREAD: 0o200,
  PARENB: 0o400,
  PARODD: 0o1000,
  HUPCL: 0o2000,
  CLOCAL: 0o4000,
  CRTSCTS: 0o20000000000,
} as const;

/** Local modes of a terminal: termios(3). */
export const LFLAG = {
  /** Ctrl-C and the like send signals. */
  ISIG: 0o1,
  /** Input is read by lines. */
  ICANON: 0o2,
  XCASE: 0o4,
  /** What is typed is shown. */
  ECHO: 0o10,
  ECHOE: 0o20,
  ECHOK: 0o40,
  /** A newline is shown also without `ECHO`. */
  ECHONL: 0o100,
  NOFLSH: 0o200,
  /** A process in the background that writes gets SIGTTOU. */
  TOSTOP: 0o400,
  ECHOCTL: 0o1000,
  ECHOPRT: 0o2000,
  ECHOKE: 0o4000,
  FLUSHO: 0o10000,
  PENDIN: 0o40000,
  IEXTEN: 0o100000,
  EXTPROC: 0o200000,
} as const;

/** Speeds of a terminal, as the `CBAUD` bits of `cflag` have them: termios(3). */
export const BAUD = {
  /** Hangs up. */
  B0: 0,
  B1200: 0o11,
  B2400: 0o13,
  B4800: 0o14,
  B9600: 0o15,
  B19200: 0o16,
  B38400: 0o17,
  B57600: 0o10001,
  B115200: 0o10002,
  B230400: 0o10003,
  B460800: 0o10004,
  B921600: 0o10007,
} as const;

/** Which element of `Termios.cc` is which special character: termios(3). */
export const VCC = {
  INTR: 0,
  QUIT: 1,
  ERASE: 2,
  KILL: 3,
  EOF: 4,
  /** Without ICANON: tenths of a second that a read waits. */
  TIME: 5,
  /** Without ICANON: the fewest bytes of a read. */
  MIN: 6,
  SWTC: 7,
  START: 8,
  STOP: 9,
  SUSP: 10,
  EOL: 11,
  REPRINT: 12,
  DISCARD: 13,
  WERASE: 14,
  LNEXT: 15,
  EOL2: 16,
} as const;

/** When tcsetattr(3) changes a terminal. */
export const TCSA = {
  /** At once. */
  NOW: 0,
  /** Once all output has been written. */
  DRAIN: 1,
  /** As DRAIN, and input that has not been read is discarded. */
  FLUSH: 2,
} as const;

/** What tcflush(3) discards. */
export const TCFLUSH = { IFLUSH: 0, OFLUSH: 1, IOFLUSH: 2 } as const;

/** The settings of a terminal, as the kernel has them: `struct termios` of TCGETS(2const). */
export interface Termios {
  /** Input modes, of {@link IFLAG}. */
  readonly iflag: number;
  /** Output modes, of {@link OFLAG}. */
  readonly oflag: number;
  /** Control modes, of {@link CFLAG}. */
  readonly cflag: number;
  /** Local modes, of {@link LFLAG}. */
  readonly lflag: number;
  /** The line discipline; 0 is that of terminals. */
  readonly line: number;
  /** The 19 special characters, by {@link VCC}; 0 disables one. */
  readonly cc: ReadonlyArray<number>;
}

/** See {@link Termios}; 36 bytes. */
export const Termios: FixedCodec<Termios> = struct("struct termios", {
  iflag: Uint32,
  oflag: Uint32,
  cflag: Uint32,
  lflag: Uint32,
  line: Uint8,
  cc: arrayOf(Uint8, 19),
});

const { IGNBRK, BRKINT, PARMRK, ISTRIP, INLCR, IGNCR, ICRNL, IXON } = IFLAG;
const { ECHO, ECHONL, ICANON, ISIG, IEXTEN } = LFLAG;

/** cfmakeraw(3): every byte is read as it is typed, and written as it is. */
export const cfmakeraw = (termios: Termios): Termios => {
  const cc = [...termios.cc];
  cc[VCC.MIN] = 1;
  cc[VCC.TIME] = 0;
  return {
    ...termios,
    iflag: termios.iflag & ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON),
    oflag: termios.oflag & ~OFLAG.OPOST,
    lflag: termios.lflag & ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN),
    cflag: (termios.cflag & ~(CFLAG.CSIZE | CFLAG.PARENB)) | CFLAG.CS8,
    cc,
  };
};
