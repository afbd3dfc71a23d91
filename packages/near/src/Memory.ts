import { type Abi, type Codec, Int32 } from "@rsyscall/abi";

/** A codec, or how to find it where the layout depends on the machine of the task. */
export type CodecOf = Codec<unknown> | ((abi: Abi) => Codec<unknown>);

/**
 * A number that is found elsewhere in a call: its argument of this index, from 0; or the `uint32_t` at the
 * address that is the argument of this index.
 */
export type Count = number | { readonly at: number };

/** What lies at an address. */
export type Content =
  /** The name of a file: a string that ends with a NUL. */
  | { readonly is: "path" }
  /** Another string that ends with a NUL. */
  | { readonly is: "string" }
  /** An array of addresses of such strings, which ends with NULL: argv. */
  | { readonly is: "strings" }
  /** So many bytes. */
  | { readonly is: "bytes"; readonly length: Count }
  /** A socket address of so many bytes: see `decodeSockaddr`. */
  | { readonly is: "sockaddr"; readonly length: Count }
  /** One value; of so many bytes, where a codec alone does not say it. */
  | { readonly is: "value"; readonly codec: CodecOf; readonly length?: Count }
  /** So many values. */
  | {
      readonly is: "array";
      readonly codec: CodecOf;
      readonly count: Count | { readonly exactly: number };
    }
  /** What this package has no layout of. */
  | { readonly is: "unknown" };

/**
 * What an argument that is an address points to. NULL points to nothing. Of memory that the kernel fills in, as
 * much is there as the result says, if the result counts what the same argument counts (`Result.countedBy`).
 */
export interface Memory {
  /** Whether the kernel reads it (`in`), writes it (`out`), or both. */
  readonly direction: "in" | "out" | "inout";
  readonly content: Content;
}

export const unknown: Content = { is: "unknown" };
export const fileName: Content = { is: "path" };
export const cString: Content = { is: "string" };
export const strings: Content = { is: "strings" };
export const bytes = (length: Count): Content => ({ is: "bytes", length });
export const sockaddr = (length: Count): Content => ({ is: "sockaddr", length });
export const array = (codec: CodecOf, count: Count | { readonly exactly: number }): Content => ({
  is: "array",
  codec,
  count,
});
export const value = (codec: CodecOf, length?: Count): Content => ({
  is: "value",
  codec,
  ...(length !== undefined && { length }),
});
/** Two descriptors, as pipe2(2) and socketpair(2) write them. */
export const twoFds: Content = array(Int32, { exactly: 2 });
