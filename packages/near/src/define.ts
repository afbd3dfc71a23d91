import type { Abi, SyscallName } from "@rsyscall/abi";
import type { Kind } from "./kinds.ts";
import type { Result } from "./Result.ts";
import { Syscall } from "./Syscall.ts";
import {
  type AnyKind,
  type DefinitionOptions,
  type SixWords,
  SyscallDefinition,
} from "./SyscallDefinition.ts";
import type { SyscallInterface, Word } from "./SyscallInterface.ts";

/** The kinds of the arguments of these types. For an optional argument: `kind.or(...)`. */
export type KindsOf<Args extends ReadonlyArray<unknown>> = {
  readonly [I in keyof Args]-?: Kind<Args[I]>;
};

/** A system call as a function. */
export interface DefinedCall<Args extends ReadonlyArray<unknown>, R> {
  (sysif: SyscallInterface, ...args: Args): Syscall<R>;
  /** The definition that the function was made of. */
  readonly definition: SyscallDefinition;
}

const byName = new Map<string, SyscallDefinition>();
const operations = new Map<number, SyscallDefinition>();
/** Definitions by number, for each machine that was asked for. */
const byNumber = new Map<Abi, ReadonlyMap<number, SyscallDefinition>>();

/** All system calls that are defined, by their names. */
export const definitions: ReadonlyMap<string, SyscallDefinition> = byName;

/** Operations of the server that are no system calls, by their numbers. */
export const operationDefinitions: ReadonlyMap<number, SyscallDefinition> = operations;

/** Returns the definition of the system call or operation with this number on a machine; undefined if none. */
export const definitionOfNumber = (abi: Abi, number: number): SyscallDefinition | undefined => {
  let numbers = byNumber.get(abi);
  if (numbers === undefined) {
    const found = [...byName.values(), ...operations.values()].flatMap((definition) => {
      const number = definition.numberOn(abi);
      return number === undefined ? [] : [[number, definition] as const];
    });
    numbers = new Map(found);
    byNumber.set(abi, numbers);
  }
  return numbers.get(number);
};

/**
 * Defines a system call: its arguments, its result and whether it waits. The definition gives the function, the
 * arguments that are refused before anything is sent, the text of the errors, and the form in a trace. `call` uses
 * the first definition of a name.
 *
 * @typeParam Args the arguments with their names, in the kernel's order
 * @typeParam R the type of the decoded result
 * @param kinds one for each of `Args`, with the same names
 *
 * @example
 * ```ts
 * import { define, type Fd, kinds, results } from "@rsyscall/near";
 *
 * const ftruncate = define<[fd: Fd, length: number | bigint], void>(
 *   "ftruncate",
 *   [kinds.fd, kinds.fileSize],
 *   results.nothing,
 * );
 * console.log(ftruncate.definition.name); // ftruncate
 * ```
 */
export const define = <Args extends ReadonlyArray<unknown>, R>(
  name: SyscallName,
  kinds: KindsOf<Args>,
  result: Result<R>,
  options: DefinitionOptions = {},
): DefinedCall<Args, R> => {
  const definition = new SyscallDefinition(name, kinds as ReadonlyArray<AnyKind>, result, options);
  const { operation } = options;
  if (operation !== undefined) operations.set(operation, definition);
  else if (!byName.has(name)) byName.set(name, definition);
  byNumber.clear();
  const isTranslated =
    options.variant !== undefined || definition.kinds.some((kind) => kind.target);
  const make = isTranslated ? translated(definition) : plain(definition);
  return Object.assign(make, { definition }) as unknown as DefinedCall<Args, R>;
};

type Make = (sysif: SyscallInterface, ...words: Array<Word>) => Syscall<unknown>;

/** A function for a call whose definition depends on its words, or whose words are translated for the target. */
const translated = (definition: SyscallDefinition): Make => {
  const targets = definition.kinds.map(({ target }) => target);
  const hasTargets = targets.some((target) => target !== undefined);
  return (sysif, ...words) => {
    const given = definition.complete(words);
    const [a, b, c, d, e, f] = hasTargets
      ? (given.map(
          (word, i) => targets[i]?.to(sysif.abi, word as number) ?? word,
        ) as unknown as SixWords)
      : given;
    return new Syscall(sysif, definition.variant(a, b, c, d, e, f), a, b, c, d, e, f);
  };
};

/**
 * A function for each number of arguments, because rest parameters cost more than the rest of a call. A missing
 * argument stays undefined, and is refused.
 */
const plain = (call: SyscallDefinition): Make => {
  const [i, j, k, l, m, n] = call.kinds.map(({ fallback }) => fallback) as Array<Word>;
  switch (call.kinds.length) {
    case 0:
      return (s) => new Syscall(s, call, 0, 0, 0, 0, 0, 0);
    case 1:
      return (s, a = i as Word) => new Syscall(s, call, a, 0, 0, 0, 0, 0);
    case 2:
      return (s, a = i as Word, b = j as Word) => new Syscall(s, call, a, b, 0, 0, 0, 0);
    case 3:
      return (s, a = i as Word, b = j as Word, c = k as Word) =>
        new Syscall(s, call, a, b, c, 0, 0, 0);
    case 4:
      return (s, a = i as Word, b = j as Word, c = k as Word, d = l as Word) =>
        new Syscall(s, call, a, b, c, d, 0, 0);
    case 5:
      return (s, a = i as Word, b = j as Word, c = k as Word, d = l as Word, e = m as Word) =>
        new Syscall(s, call, a, b, c, d, e, 0);
    default:
      return (
        s,
        a = i as Word,
        b = j as Word,
        c = k as Word,
        d = l as Word,
        e = m as Word,
        f = n as Word,
      ) => new Syscall(s, call, a, b, c, d, e, f);
  }
};
