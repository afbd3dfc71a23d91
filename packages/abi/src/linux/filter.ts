import { type FixedCodec, struct, Uint8, Uint16, Uint32, Uint64 } from "../Codec.ts";

/** Parts of the code of an instruction of classic BPF: linux/bpf_common.h. */
export const BPF = {
  LD: 0x00,
  JMP: 0x05,
  RET: 0x06,
  W: 0x00,
  ABS: 0x20,
  JA: 0x00,
  JEQ: 0x10,
  JGT: 0x20,
  JGE: 0x30,
  JSET: 0x40,
  K: 0x00,
} as const;

/** The most instructions of a program. */
export const BPF_MAXINSNS = 4096;

/** One instruction: `struct sock_filter`. */
export interface SockFilter {
  /** Of {@link BPF}. */
  readonly code: number;
  /** Instructions to skip if a jump is taken, and if not. */
  readonly jumpTrue: number;
  /** How many instructions are skipped if the comparison is false. */
  readonly jumpFalse: number;
  /** The operand, from 0 to 2^32 - 1. */
  readonly k: number;
}

/** See {@link SockFilter}; 8 bytes. */
export const SockFilter: FixedCodec<SockFilter> = struct("struct sock_filter", {
  code: Uint16,
  jumpTrue: Uint8,
  jumpFalse: Uint8,
  k: Uint32,
});

/** A program: `struct sock_fprog`. */
export interface SockFprog {
  /** How many instructions there are. */
  readonly length: number;
  /** The address of the first. */
  readonly filter: bigint;
}

/** See {@link SockFprog}; 16 bytes. */
export const SockFprog: FixedCodec<SockFprog> = struct("struct sock_fprog", {
  length: Uint16,
  filter: Uint64,
});
