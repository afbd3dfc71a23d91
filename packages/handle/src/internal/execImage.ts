import { cStringBytes, Sigaction, Sigset } from "@rsyscall/abi";
import { InvalidArgumentError, invalidPath, type PathLike, pathArgument } from "@rsyscall/near";
import { setWord } from "@rsyscall/wire";

/** The memory that execve(2) reads and that sets a program's signals, by offsets from its start. */
export interface ExecImage {
  readonly size: number;
  readonly argv: number;
  readonly envp: number;
  /** The program's signal mask, and room for the one before. */
  readonly sigmask: number;
  readonly oldSigmask: number;
  /** The program's signal actions, and room for the previous ones. */
  readonly actions: ReadonlyArray<{
    readonly signal: number;
    readonly action: number;
    readonly old: number;
  }>;
  readonly path: number;
  /** Its content when it lies at this address. */
  readonly at: (base: number) => Uint8Array;
}

/**
 * The strings of an `execImage`. InvalidArgumentError if one of them cannot be a C string: the kernel would execute
 * something else.
 */
export const execStrings = (
  syscall: string,
  path: PathLike,
  argv: ReadonlyArray<string | Uint8Array>,
  envp: ReadonlyArray<string | Uint8Array>,
): ReadonlyArray<Uint8Array> | InvalidArgumentError => {
  const file = pathArgument(path);
  if (file === undefined) return invalidPath(syscall, path);
  const strings: Array<Uint8Array> = [file];
  for (const [name, texts] of [["argv", argv] as const, ["envp", envp] as const])
    for (const [i, text] of texts.entries()) {
      const bytes = cStringBytes(text);
      if (bytes === undefined)
        return new InvalidArgumentError({
          syscall,
          argument: `${name}[${i}]`,
          value: text,
          expected: "text or bytes without a NUL, and without half of a character",
        });
      strings.push(bytes);
    }
  return strings;
};

/**
 * Lays out two vectors of pointers, the signals and the strings.
 *
 * @param strings the path, `argc` arguments, and the environment, without NULs
 * @param handlers of signals: SIG_DFL or SIG_IGN
 */
export const execImage = (
  strings: ReadonlyArray<Uint8Array>,
  argc: number,
  blocked: Sigset,
  handlers: ReadonlyArray<readonly [signal: number, handler: number]>,
): ExecImage => {
  const argv = 0;
  const envp = 8 * (argc + 1);
  const sigmask = 8 * (strings.length - 1 + 2);
  const oldSigmask = sigmask + Sigset.size;
  const firstAction = oldSigmask + Sigset.size;
  const actions = handlers.map(([signal], i) => {
    const action = firstAction + 2 * Sigaction.size * i;
    return { signal, action, old: action + Sigaction.size };
  });
  const path = firstAction + 2 * Sigaction.size * handlers.length;
  const size = strings.reduce((sum, string) => sum + string.length + 1, path);
  const at = (base: number): Uint8Array => {
    const bytes = new Uint8Array(size);
    const words = new DataView(bytes.buffer);
    Sigset.encode(blocked, bytes.subarray(sigmask));
    for (const [i, { action }] of actions.entries()) {
      const handler = handlers[i]?.[1] as number;
      Sigaction.encode({ handler, flags: 0, restorer: 0, mask: new Set() }, bytes.subarray(action));
    }
    let offset = path;
    for (const [i, string] of strings.entries()) {
      // The first string is the path; a null pointer ends each vector.
      const word = i <= argc ? i - 1 : i;
      if (i > 0) setWord(words, 8 * word, base + offset);
      bytes.set(string, offset);
      offset += string.length + 1;
    }
    return bytes;
  };
  return { size, argv, envp, sigmask, oldSigmask, actions, path, at };
};
