import { fileURLToPath } from "node:url";
import { cStringBytes, fsDecode, fsEncode } from "@rsyscall/abi";
import { InvalidArgumentError } from "./errors.ts";
import { oneLine } from "./oneLine.ts";
import { printable } from "./printable.ts";

/** A file name: text, raw bytes, a {@link Path}, or a `file:` URL as in Node's `fs`. */
export type PathLike = string | Uint8Array | Path | URL;

/**
 * A POSIX path. It is a near identifier: it is valid only in one mount namespace, with one root and working
 * directory. It is immutable and does no I/O. It preserves bytes that are not UTF-8: see `fsDecode`.
 *
 * @example
 * ```ts
 * import { Path } from "@rsyscall/near";
 *
 * console.log(String(Path.make("/tmp", "mail").join("new"))); // /tmp/mail/new
 * ```
 */
export class Path {
  /** The path as text; bytes that are not UTF-8 are lone surrogates. */
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
  }

  /**
   * Joins the parts as a shell would: an absolute part starts over.
   *
   * @throws TypeError for a value that is not a path: `undefined`, or a URL that is not a `file:` URL
   */
  static make(first: PathLike, ...rest: ReadonlyArray<PathLike>): Path {
    return new Path(pathText(first)).join(...rest);
  }

  /** Adds parts as a shell would: an absolute part starts over. */
  join(...parts: ReadonlyArray<PathLike>): Path {
    const text = parts.map(pathText).reduce((path, part) => {
      if (part.startsWith("/") || path === "") return part;
      return path.endsWith("/") ? path + part : `${path}/${part}`;
    }, this.text);
    return new Path(text);
  }

  /** The last part; "" for the root. */
  get name(): string {
    return trimmed(this.text).split("/").at(-1) as string;
  }

  /** All but the last part; "." for a bare name, "/" for the root. */
  get parent(): Path {
    const text = trimmed(this.text);
    const slash = text.lastIndexOf("/");
    if (slash < 0) return new Path(text === "" ? "/" : ".");
    return new Path(trimmed(text.slice(0, slash)) || "/");
  }

  /** Whether it begins with `/`. */
  get isAbsolute(): boolean {
    return this.text.startsWith("/");
  }

  /** The bytes that the kernel sees, without the final NUL. */
  get bytes(): Uint8Array {
    return fsEncode(this.text);
  }

  /** The text, for messages and template strings. */
  toString(): string {
    return this.text;
  }
}

oneLine(Path);

const trimmed = (text: string): string => text.replace(/\/+$/, "");

/** Says why a value is not a {@link PathLike}, and what would be one; undefined if it is one. */
export const pathProblem = (path: unknown): string | undefined => {
  if (typeof path === "string" || path instanceof Path || path instanceof Uint8Array)
    return undefined;
  if (path instanceof URL)
    try {
      fileURLToPath(path);
      return undefined;
    } catch (error) {
      return `${printable(path.href)} is no path: ${(error as Error).message}`;
    }
  const kind = path === null ? "null" : typeof path;
  const article = kind === "undefined" || kind === "null" ? "" : kind === "object" ? "an " : "a ";
  return `${article}${kind} is no path: give ${PATH}`;
};

/** The values that are accepted as a path, for messages. */
const PATH = "text, bytes, a Path or a file: URL";

/**
 * Encodes a path as the bytes that the kernel sees, without the final NUL. Undefined for a value that is not a path,
 * and for text with a NUL, which the kernel would read as another path. `invalidPath` is the error for both.
 */
export const pathArgument = (path: PathLike): Uint8Array | undefined =>
  pathProblem(path) === undefined
    ? cStringBytes(path instanceof Uint8Array ? path : pathText(path))
    : undefined;

/** Makes the error for a value that `pathArgument` does not encode. */
export const invalidPath = (
  syscall: string,
  path: unknown,
  argument = "path",
): InvalidArgumentError =>
  new InvalidArgumentError({
    syscall,
    argument,
    value: path instanceof Path || path instanceof URL ? String(path) : path,
    expected: pathProblem(path) === undefined ? NAME : PATH,
  });

/** The requirement on text and bytes, for messages. */
const NAME = "the name of a file: without a NUL, and without half of a character";

/**
 * Converts a path to text, for messages and for joining.
 *
 * @throws TypeError for a value that is not a path
 */
export const pathText = (path: PathLike): string => {
  if (typeof path === "string") return path;
  if (path instanceof Path) return path.text;
  if (path instanceof Uint8Array) return fsDecode(path);
  const problem = pathProblem(path);
  if (problem !== undefined) throw new TypeError(problem);
  return fileURLToPath(path);
};

/** Converts a path to text for the subject of an error; undefined for a value that is not a path. */
export const pathSubject = (path: PathLike): string | undefined =>
  pathProblem(path) === undefined ? pathText(path) : undefined;

/**
 * Encodes a path as the bytes that the kernel sees, without the final NUL.
 *
 * @throws TypeError for a value that is not a path
 */
export const pathBytes = (path: PathLike): Uint8Array =>
  path instanceof Uint8Array ? path : fsEncode(pathText(path));
