import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether there is such a compiler. */
export const works = (compiler: string): boolean => {
  try {
    execFileSync(compiler, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

/** How C programs for a machine are compiled. */
export interface Machine {
  readonly compiler: string;
}

/** The machine of this process. */
export const native: Machine = { compiler: "cc" };

/** 64-bit ARM, by its cross compiler. */
export const arm64: Machine = { compiler: "aarch64-linux-gnu-gcc" };

/** Headers that go into one program. */
const including = (headers: ReadonlyArray<string>) =>
  ["#define _GNU_SOURCE", ...headers.map((header) => `#include <${header}>`)].join("\n");

/**
 * The lines that a C program of these headers and statements prints; `dump` prints bytes.
 *
 * @param options of the compiler, such as -I
 */
export const run = (
  headers: ReadonlyArray<string>,
  statements: ReadonlyArray<string>,
  options: ReadonlyArray<string> = [],
): Array<string> => {
  const directory = mkdtempSync(join(tmpdir(), "rsyscall-abi-"));
  try {
    const program = join(directory, "program");
    const input = [
      including(headers),
      "int printf(const char *, ...);",
      "static void dump(const void *at, unsigned long n) {",
      '  for (const unsigned char *p = at; n--; p++) printf("%02x", *p);',
      '  printf("\\n");',
      "}",
      "int main(void) {",
      ...statements,
      "return 0; }\n",
    ].join("\n");
    execFileSync("cc", ["-w", ...options, "-x", "c", "-o", program, "-"], { input });
    return execFileSync(program, { encoding: "utf8" }).split("\n").slice(0, -1);
  } finally {
    rmSync(directory, { recursive: true });
  }
};

const compile = (compiler: string, options: ReadonlyArray<string>, input: string): string =>
  execFileSync(compiler, ["-w", "-x", "c", "-o", "-", ...options, "-"], {
    input,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });

/** The names of macros and of members of enums that the headers define. */
export const namesIn = (
  headers: ReadonlyArray<string>,
  { compiler }: Machine = native,
): ReadonlySet<string> => {
  const text = compile(compiler, ["-E", "-dD"], including(headers));
  const macros = [...text.matchAll(/^#define (\w+)/gm)].map(([, name = ""]) => name);
  const members = [...text.replace(/^#.*$/gm, "").matchAll(/\benum\b[^{;()]*\{([^}]*)\}/g)].flatMap(
    ([, body = ""]) => [...body.matchAll(/(?:^|,)\s*(\w+)/g)].map(([, name = ""]) => name),
  );
  return new Set([...macros, ...members]);
};

/**
 * The values of constant expressions of C, as signed numbers of 64 bits. The compiler writes them into its assembly, so
 * that nothing runs: this needs no emulation of the machine.
 */
export const evaluated = (
  headers: ReadonlyArray<string>,
  expressions: ReadonlyArray<string>,
  { compiler }: Machine = native,
): ReadonlyArray<bigint> => {
  const values = expressions.map(
    (expression) => `__asm__ volatile("\\n=> %0" :: "i"((long long)(${expression})));`,
  );
  const program = [including(headers), "void values(void) {", ...values, "}\n"].join("\n");
  const lines = compile(compiler, ["-S"], program).matchAll(/^=> [$#]?(-?\d+)$/gm);
  return [...lines].map(([, value = ""]) => BigInt(value));
};

/** The system calls that the header numbers. */
export const numbersOf = (
  compiler: string,
  header: string,
  options: ReadonlyArray<string> = [],
): ReadonlyMap<string, number> => {
  const text = execFileSync(compiler, ["-E", "-dM", ...options, "-"], {
    input: `#include <${header}>\n`,
    encoding: "utf8",
  });
  const macros = new Map<string, string>();
  for (const [, name = "", value = ""] of text.matchAll(/^#define (__NR\w+) (\w+)$/gm)) {
    macros.set(name, value);
  }
  const numbers = new Map<string, number>();
  for (const [name, value] of macros) {
    if (name.startsWith("__NR_")) numbers.set(name.slice(5), Number(macros.get(value) ?? value));
  }
  numbers.delete("syscalls"); // how many there are
  numbers.delete("arch_specific_syscall"); // where a machine's own start
  return numbers;
};
