import { BPF, SeccompData, type SockFilter } from "@rsyscall/abi";

/*
 * Filters are programs of classic BPF: seccomp(2), section "Filters". A program is a list of lines; a line that is
 * text is a label, to which jumps before it may go.
 */

/** A field of `struct seccomp_data` that fits in one load of 32 bits. */
export type FilterField = "nr" | "arch";

/** The comparisons of a jump: equal, greater, greater or equal, any common bit. */
export type Comparison = "JEQ" | "JGT" | "JGE" | "JSET";

/** An instruction with labels in place of distances. */
export type FilterInstruction =
  | { readonly load: FilterField }
  | { readonly compare: Comparison; readonly k: number; readonly to: string }
  | { readonly returns: number };

/** A line of a filter: an instruction, or a label. */
export type FilterLine = FilterInstruction | string;

/** Loads a field into the accumulator. */
export const load = (field: FilterField): FilterInstruction => ({ load: field });

/** Jumps to a label if the accumulator and `k` compare so, or goes on with the next line. */
export const jumpIf = (compare: Comparison, k: number, to: string): FilterInstruction => ({
  compare,
  k,
  to,
});

/** Ends the program. @param action of `SECCOMP_RET`, with data in the low 16 bits */
export const returns = (action: number): FilterInstruction => ({ returns: action });

/**
 * Makes the instructions of a filter.
 *
 * @throws RangeError for a label that is not below its jump, or more than 255 instructions below
 */
export const assemble = (lines: ReadonlyArray<FilterLine>): ReadonlyArray<SockFilter> => {
  const places = new Map<string, number>();
  const instructions: Array<FilterInstruction> = [];
  for (const line of lines)
    if (typeof line === "string") places.set(line, instructions.length);
    else instructions.push(line);
  return instructions.map((instruction, i) => {
    if ("load" in instruction)
      return of(BPF.LD | BPF.W | BPF.ABS, SeccompData.offsets[instruction.load]);
    if ("returns" in instruction) return of(BPF.RET | BPF.K, instruction.returns);
    const { compare, k, to } = instruction;
    const distance = (places.get(to) ?? 0) - i - 1;
    if (distance < 0 || distance > 255)
      throw new RangeError(`the label ${to} is not within 255 instructions below its jump`);
    return { ...of(BPF.JMP | BPF[compare] | BPF.K, k), jumpTrue: distance };
  });
};

const of = (code: number, k: number): SockFilter => ({ code, jumpTrue: 0, jumpFalse: 0, k });
