import { type Abi, type Codec, Int32 } from "@rsyscall/abi";

/** A codec, or a function that gives it if the layout depends on the machine of the task. */
export type CodecOf = Codec<unknown> | ((abi: Abi) => Codec<unknown>);

/**
 * A number that another argument gives: the argument of this index, from 0; or, with `at`, the `uint32_t` to which
 * the argument of this index points.
 */
export type Count = number | { readonly at: number };

/** The type of the data at an address. */
export type Content =
  /** The name of a file: a string that ends with a NUL. */
  | { readonly is: "path" }
  /** Another string that ends with a NUL. */
  | { readonly is: "string" }
  /** An array of addresses of such strings, which ends with NULL: argv. */
  | { readonly is: "strings" }
  /** `length` bytes. */
  | { readonly is: "bytes"; readonly length: Count }
  /** A socket address of `length` bytes: see `decodeSockaddr`. */
  | { readonly is: "sockaddr"; readonly length: Count }
  /** One value; `length` is its size in bytes if the codec alone does not give it. */
  | { readonly is: "value"; readonly codec: CodecOf; readonly length?: Count }
  /** `count` values. */
  | {
      readonly is: "array";
      readonly codec: CodecOf;
      readonly count: Count | { readonly exactly: number };
    }
  /** Data whose layout this package does not know. */
  | { readonly is: "unknown" };

/**
 * The memory to which an argument points. NULL points to nothing. If the result counts the same units as the
 * argument's length (`Result.countedBy`), it says how much of the memory the kernel has filled in.
 */
export interface Memory {
  /** Whether the kernel reads it (`in`), writes it (`out`), or both. */
  readonly direction: "in" | "out" | "inout";
  /** What lies there. */
  readonly content: Content;
}

/** Memory of which nothing is known: a trace shows its address. */
export const unknown: Content = { is: "unknown" };
/** A path, up to its NUL. */
export const fileName: Content = { is: "path" };
/** A string, up to its NUL. */
export const cString: Content = { is: "string" };
/** An array of pointers to strings, up to its null pointer: argv. */
export const strings: Content = { is: "strings" };
/** Bytes, as many as given. */
export const bytes = (length: Count): Content => ({ is: "bytes", length });
/** The address of a socket, of the family that its first bytes say. */
export const sockaddr = (length: Count): Content => ({ is: "sockaddr", length });
/** An array of items: as many as an argument says, or as `exactly` says. */
export const array = (codec: CodecOf, count: Count | { readonly exactly: number }): Content => ({
  is: "array",
  codec,
  count,
});
/** One value. With a length, only if it is long enough. */
export const value = (codec: CodecOf, length?: Count): Content => ({
  is: "value",
  codec,
  ...(length !== undefined && { length }),
});
/** Two descriptors, as pipe2(2) and socketpair(2) write them. */
export const twoFds: Content = array(Int32, { exactly: 2 });
