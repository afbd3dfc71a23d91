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

/** How C programs for a machine are compiled and run. */
export interface Machine {
  readonly compiler: string;
  /** The emulator, if it is not the machine of this process. */
  readonly emulator?: string;
}

/** The machine of this process. */
export const native: Machine = { compiler: "cc" };

/** 64-bit ARM, by its cross compiler and emulation. */
export const arm64: Machine = {
  compiler: "aarch64-linux-gnu-gcc",
  emulator: "qemu-aarch64-static",
};

/**
 * The lines that a C program of these headers and statements prints; `dump` prints bytes.
 *
 * @param options of the compiler, such as -I
 * @param machine the program is for; default: this one
 */
export const run = (
  headers: ReadonlyArray<string>,
  statements: ReadonlyArray<string>,
  options: ReadonlyArray<string> = [],
  { compiler, emulator }: Machine = native,
): Array<string> => {
  const directory = mkdtempSync(join(tmpdir(), "rsyscall-abi-"));
  try {
    const program = join(directory, "program");
    const input = [
      "#define _GNU_SOURCE",
      ...headers.map((header) => `#include <${header}>`),
      "int printf(const char *, ...);",
      "static void dump(const void *at, unsigned long n) {",
      '  for (const unsigned char *p = at; n--; p++) printf("%02x", *p);',
      '  printf("\\n");',
      "}",
      "int main(void) {",
      ...statements,
      "return 0; }\n",
    ].join("\n");
    // An emulated program does not find the libraries of its machine.
    const linking = emulator === undefined ? [] : ["-static"];
    execFileSync(compiler, ["-w", ...linking, ...options, "-x", "c", "-o", program, "-"], {
      input,
    });
    const [command = program, ...args] = emulator === undefined ? [] : [emulator, program];
    return execFileSync(command, args, { encoding: "utf8" }).split("\n").slice(0, -1);
  } finally {
    rmSync(directory, { recursive: true });
  }
};

/** Those of the constants that the headers define. */
export const valuesOf = (
  headers: ReadonlyArray<string>,
  names: ReadonlyArray<string>,
  machine: Machine = native,
): ReadonlyMap<string, number> => {
  const statements = names.map(
    (name) => `#ifdef ${name}\nprintf("${name} %lld\\n", (long long)(${name}));\n#endif`,
  );
  const pairs = run(headers, statements, [], machine).map((line) => line.split(" "));
  return new Map(pairs.map(([name = "", value]) => [name, Number(value)]));
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
