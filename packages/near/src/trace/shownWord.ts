import { type Abi, AT, signalName } from "@rsyscall/abi";
import type { Format, NameFormat } from "../Format.ts";
import type { AnyKind } from "../SyscallDefinition.ts";
import type { Word } from "../SyscallInterface.ts";

/** Whether it is a word at all: an interface may be given, or give, any number. */
const isInteger = (word: Word): boolean => typeof word === "bigint" || Number.isInteger(word);

/** As C's %#lx: of a negative number, the two's complement. */
export const hex = (word: Word): string => {
  if (!isInteger(word)) return String(word);
  const bits = BigInt.asUintN(64, BigInt(word));
  return bits === 0n ? "0" : `0x${bits.toString(16)}`;
};

export const address = (word: Word): string =>
  isInteger(word) && BigInt(word) === 0n ? "NULL" : hex(word);

const bitsOf = (value: bigint): number => value.toString(2).replaceAll("0", "").length;

/** One of some names; of a number without one, the number. */
const named = ({ prefix, names }: NameFormat, word: Word): string => {
  const value = BigInt(word);
  for (const [name, number] of Object.entries(names))
    if (BigInt(number) === value) return prefix + name;
  return value >= 0n && value < 10n ? String(value) : hex(BigInt.asUintN(32, value));
};

/** Names of a set of bits, and the bits without a name. */
const flags = (format: NameFormat, word: Word): string => {
  const { prefix, names, field = 0 } = format;
  // A word of 64 bits, if it has more than 32.
  let rest = BigInt(word);
  if (rest < 0n) rest = BigInt.asUintN(32, rest);
  const mask = BigInt.asUintN(32, BigInt(field));
  const found = new Set<string>();
  if (mask !== 0n) {
    const value = rest & mask;
    const name = Object.keys(names).find((name) => BigInt(names[name] as number) === value);
    if (name !== undefined) {
      found.add(name);
      rest &= ~mask;
    }
  }
  // What consists of several bits may contain others that have names of their own.
  const single = Object.entries(names)
    .map(([name, number]) => [name, BigInt.asUintN(33, BigInt(number))] as const)
    .filter(([, bits]) => bits !== 0n && (bits & mask) === 0n)
    .sort(([, left], [, right]) => bitsOf(right) - bitsOf(left));
  for (const [name, bits] of single)
    if ((rest & bits) === bits) {
      found.add(name);
      rest &= ~bits;
    }
  const shown = Object.keys(names)
    .filter((name) => found.has(name))
    .map((name) => prefix + name);
  const none = Object.keys(names).find((name) => names[name] === 0);
  if (rest === 0n && shown.length === 0 && none !== undefined && mask === 0n) return prefix + none;
  if (rest !== 0n || shown.length === 0) shown.push(hex(rest));
  return shown.join("|");
};

const signal = (word: Word): string => {
  const number = Number(word);
  return number >= 1 && number <= 64 ? signalName(number) : String(word);
};

/** A word as strace(1) shows one of its format. */
export const formatted = (format: Format, word: Word): string => {
  if (!isInteger(word)) return String(word);
  switch (format.as) {
    case "hex":
      return hex(word);
    case "octal":
      return word < 0 ? hex(word) : `0${word.toString(8)}`.padStart(3, "0");
    case "address":
      return address(word);
    case "directory":
      return Number(word) === AT.FDCWD ? "AT_FDCWD" : String(word);
    case "signal":
      return signal(word);
    case "enum":
      return named(format, word);
    case "flags":
      return flags(format, word);
    default:
      return String(word);
  }
};

/** An argument that is no address as strace(1) shows it. The word is what the machine of the task has. */
export const shownWord = ({ target }: AnyKind, format: Format, word: Word, abi: Abi): string => {
  // `syscall` of an interface takes any words, also some that are no flags.
  const isInt = typeof word === "number" && isInteger(word);
  return formatted(format, target !== undefined && isInt ? target.from(abi, word) : word);
};
