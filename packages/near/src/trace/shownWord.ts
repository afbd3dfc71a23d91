import { type Abi, AT, signalName } from "@rsyscall/abi";
import type { Format, NameFormat } from "../Format.ts";
import type { AnyKind } from "../SyscallDefinition.ts";
import type { Word } from "../SyscallInterface.ts";

/** Whether a value is a word: an interface may get, or return, any number. */
const isInteger = (word: Word): boolean => typeof word === "bigint" || Number.isInteger(word);

/** Formats a word as C's %#lx does: a negative number as its two's complement. */
export const hex = (word: Word): string => {
  if (!isInteger(word)) return String(word);
  const bits = BigInt.asUintN(64, BigInt(word));
  return bits === 0n ? "0" : `0x${bits.toString(16)}`;
};

export const address = (word: Word): string =>
  isInteger(word) && BigInt(word) === 0n ? "NULL" : hex(word);

const bitsOf = (value: bigint): number => value.toString(2).replaceAll("0", "").length;

/** Formats a word as its name; a number without a name as the number. */
const named = ({ prefix, names }: NameFormat, word: Word): string => {
  const value = BigInt(word);
  for (const [name, number] of Object.entries(names))
    if (BigInt(number) === value) return prefix + name;
  return value >= 0n && value < 10n ? String(value) : hex(BigInt.asUintN(32, value));
};

/** Formats a set of bits as their names, and the bits without a name as a number. */
const flags = (format: NameFormat, word: Word): string => {
  const { prefix, names, field = 0 } = format;
  // A BigInt, because the word may have more than 32 bits.
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
  // A name of several bits may contain bits that have names of their own.
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

/** Formats a word as strace(1) does. */
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

/** Formats an argument that is not an address as strace(1) does. The word is a value of the task's machine. */
export const shownWord = ({ target }: AnyKind, format: Format, word: Word, abi: Abi): string => {
  // `syscall` of an interface takes any words, also words that are not flags.
  const isInt = typeof word === "number" && isInteger(word);
  return formatted(format, target !== undefined && isInt ? target.from(abi, word) : word);
};
