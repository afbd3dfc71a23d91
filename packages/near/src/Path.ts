import { fileURLToPath } from "node:url";
import { cStringBytes, fsDecode, fsEncode } from "@rsyscall/abi";
import { InvalidArgumentError } from "./errors.ts";
import { oneLine } from "./oneLine.ts";
import { printable } from "./printable.ts";

/** What names a file: text, the raw bytes, a {@link Path}, or, as in Node's own `fs`, a `file:` URL. */
export type PathLike = string | Uint8Array | Path | URL;

/**
 * A POSIX path, a near identifier too: it means something only in one mount namespace, with one root
 * and working directory. Immutable, and no I/O. Bytes that are not UTF-8 survive: see `fsDecode`.
 *
 * @example
 * ```ts
 * import { Path } from "@rsyscall/near";
 *
 * console.log(String(Path.make("/tmp", "mail").join("new"))); // /tmp/mail/new
 * ```
 */
export class Path {
  /** As text; bytes that are not UTF-8 are lone surrogates. */
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
  }

  /**
   * Joins the parts as a shell would: an absolute part starts over.
   *
   * @throws TypeError for what is no path: `undefined`, or a URL of another kind than `file:`
   */
  static make(first: PathLike, ...rest: ReadonlyArray<PathLike>): Path {
    return new Path(pathText(first)).join(...rest);
  }

  join(...parts: ReadonlyArray<PathLike>): Path {
    const text = parts.map(pathText).reduce((path, part) => {
      if (part.startsWith("/") || path === "") return part;
      return path.endsWith("/") ? path + part : `${path}/${part}`;
    }, this.text);
    return new Path(text);
  }

  /** The last part, or "" of the root. */
  get name(): string {
    return trimmed(this.text).split("/").at(-1) as string;
  }

  /** All but the last part; "." of a bare name, and "/" of the root. */
  get parent(): Path {
    const text = trimmed(this.text);
    const slash = text.lastIndexOf("/");
    if (slash < 0) return new Path(text === "" ? "/" : ".");
    return new Path(trimmed(text.slice(0, slash)) || "/");
  }

  get isAbsolute(): boolean {
    return this.text.startsWith("/");
  }

  /** As the kernel sees it, without the final NUL. */
  get bytes(): Uint8Array {
    return fsEncode(this.text);
  }

  toString(): string {
    return this.text;
  }
}

oneLine(Path);

const trimmed = (text: string): string => text.replace(/\/+$/, "");

/** Why this names no file, and what would; undefined for what is a {@link PathLike}. */
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

/** What is taken for a path. */
const PATH = "text, bytes, a Path or a file: URL";

/**
 * A path as the bytes that the kernel sees, without the final NUL. Undefined for what is no path, and for text that
 * the kernel would take for another path: it would stop at a NUL. `invalidPath` is the error for that.
 */
export const pathArgument = (path: PathLike): Uint8Array | undefined =>
  pathProblem(path) === undefined
    ? cStringBytes(path instanceof Uint8Array ? path : pathText(path))
    : undefined;

/** The error for what `pathArgument` has no bytes for. */
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

/** What text and bytes must be to name a file. */
const NAME = "the name of a file: without a NUL, and without half of a character";

/**
 * A path as text, for messages and for joining.
 *
 * @throws TypeError for what is no path
 */
export const pathText = (path: PathLike): string => {
  if (typeof path === "string") return path;
  if (path instanceof Path) return path.text;
  if (path instanceof Uint8Array) return fsDecode(path);
  const problem = pathProblem(path);
  if (problem !== undefined) throw new TypeError(problem);
  return fileURLToPath(path);
};

/** A path as text, for the subject of an error; undefined for what is none. */
export const pathSubject = (path: PathLike): string | undefined =>
  pathProblem(path) === undefined ? pathText(path) : undefined;

/**
 * A path as the bytes that the kernel sees, without the final NUL.
 *
 * @throws TypeError for what is no path
 */
export const pathBytes = (path: PathLike): Uint8Array =>
  path instanceof Uint8Array ? path : fsEncode(pathText(path));
