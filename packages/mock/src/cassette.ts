import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { TextEncoder } from "node:util";
import { MockError } from "./errors.ts";
import { textOf } from "./redact.ts";

/** What the file says of itself. */
const FORMAT = "rsyscall cassette";
const VERSION = 1;

/** Bytes in the file: text, its lines, or base64 where they are not UTF-8. */
type Data = string | ReadonlyArray<string> | { readonly base64: string };

/** A piece of recorded output. */
export interface CassetteChunk {
  /** stdout (1) or stderr (2). */
  readonly fd: 1 | 2;
  /** The bytes, as they were written. */
  readonly bytes: Uint8Array;
  /** Milliseconds since the program was started. */
  readonly time: number;
}

/** A recorded call. */
export interface CassetteCall {
  /** The name that was called, without its directory. */
  readonly program: string;
  /** The arguments, argv[0] first. */
  readonly argv: ReadonlyArray<string>;
  /** The working directory; undefined where that was not recorded. */
  readonly cwd: string | undefined;
  /** The variables that were chosen, if they were set. */
  readonly env: Readonly<Record<string, string>>;
  /** What it has read; undefined where that was not recorded. */
  readonly stdin: Uint8Array | undefined;
  /** Whether it has read its input to the end. */
  readonly readAll: boolean;
  /** What it has written, in the order in which it came. */
  readonly output: ReadonlyArray<CassetteChunk>;
  /** Undefined if a signal has ended it. */
  readonly status: number | undefined;
  /** The number of the signal. */
  readonly signal: number | undefined;
  /** In milliseconds. */
  readonly duration: number;
}

/** Recorded calls, one after the other. */
export interface Cassette {
  /** In the order in which they came. */
  readonly calls: ReadonlyArray<CassetteCall>;
}

const dataOf = (bytes: Uint8Array): Data => {
  const text = textOf(bytes);
  if (text === undefined) return { base64: Buffer.from(bytes).toString("base64") };
  const lines = text.split(/(?<=\n)/);
  return lines.length > 1 ? lines : text;
};

/**
 * Moves bytes of a character that two chunks share into the second one, so that text stays text. The times stay too.
 */
const atCharacters = (chunks: ReadonlyArray<CassetteChunk>): ReadonlyArray<CassetteChunk> => {
  const rest = new Map<1 | 2, Uint8Array>();
  const last = new Map<1 | 2, CassetteChunk>();
  for (const chunk of chunks) last.set(chunk.fd, chunk);
  return chunks.flatMap((chunk) => {
    const bytes = Buffer.concat([rest.get(chunk.fd) ?? new Uint8Array(), chunk.bytes]);
    const cut = last.get(chunk.fd) === chunk ? bytes.length : wholeCharacters(bytes);
    rest.set(chunk.fd, bytes.subarray(cut));
    return cut === 0 ? [] : [{ ...chunk, bytes: new Uint8Array(bytes.subarray(0, cut)) }];
  });
};

/** The length without the beginning of a character at the end. */
const wholeCharacters = (bytes: Uint8Array): number => {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte >= 0xc0) {
      const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return size > back ? bytes.length - back : bytes.length;
    }
    if (byte < 0x80) return bytes.length;
  }
  return bytes.length;
};

const toJson = (call: CassetteCall) => ({
  program: call.program,
  argv: call.argv,
  ...(call.cwd === undefined ? {} : { cwd: call.cwd }),
  ...(Object.keys(call.env).length === 0 ? {} : { env: call.env }),
  ...(call.stdin === undefined ? {} : { stdin: dataOf(call.stdin), readAll: call.readAll }),
  output: atCharacters(call.output).map(({ fd, bytes, time }) => ({
    time,
    [fd === 1 ? "stdout" : "stderr"]: dataOf(bytes),
  })),
  ...(call.signal === undefined ? { status: call.status ?? 0 } : { signal: call.signal }),
  duration: call.duration,
});

/** Makes a directory and those above it. By `recursive`, Node tries for ever in /proc, where none can be made. */
const makeDirectory = (path: string): void => {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process makes it at the same time.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
};

/** Writes a cassette. The file is the former one, or the new one, and never half of it. */
export const writeCassette = (file: string, { calls }: Cassette): void => {
  const content = { format: FORMAT, version: VERSION, calls: calls.map(toJson) };
  const temporary = `${file}.${process.pid}.new`;
  try {
    makeDirectory(dirname(file));
    writeFileSync(temporary, `${JSON.stringify(content, undefined, 2)}\n`);
    renameSync(temporary, file);
  } catch (error) {
    throw refused(file, `it cannot be written: ${(error as Error).message}`);
  } finally {
    rmSync(temporary, { force: true });
  }
};

/** Reads a cassette. Undefined if there is no such file; a MockError in words if it is none, or of another version. */
export const readCassette = (file: string): Cassette | undefined => {
  const content = contentOf(file);
  if (content === undefined) return undefined;
  if (content.version !== VERSION)
    throw refused(
      file,
      `it is of version ${JSON.stringify(content.version)}, and this is for version ${VERSION}: record it again with mode "all", or use the version of @rsyscall/mock that has written it`,
    );
  const at = new Reader(file);
  return {
    calls: at.list(content.calls, "calls").map((call, i) => at.call(call, `call ${i + 1}`)),
  };
};

/** Refuses to replace a file that is there and is no cassette. */
export const checkReplaceable = (file: string): void => {
  contentOf(file);
};

interface Content {
  readonly version?: unknown;
  readonly calls?: unknown;
}

const contentOf = (file: string): Content | undefined => {
  let text: string;
  try {
    // A device or a pipe may have no end.
    if (!statSync(file).isFile()) throw new Error("it is no regular file: give another file name");
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw refused(file, (error as Error).message);
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw refused(
      file,
      `it is no JSON (${(error as Error).message}): remove it to record it again`,
    );
  }
  if (!isObject(content) || content["format"] !== FORMAT)
    throw refused(file, `it has no "format": ${JSON.stringify(FORMAT)}: give another file name`);
  return content;
};

const refused = (file: string, reason: string): MockError =>
  new MockError([`cassette ${file}: ${reason}`]);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Takes a file apart, and says what is wrong with it. */
class Reader {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  call(value: unknown, where: string): CassetteCall {
    const call = this.#object(value, where);
    const signal = this.#optional(call["signal"], (it) => this.#whole(it, `${where}, signal`, 64));
    return {
      program: this.#text(call["program"], `${where}, program`),
      argv: this.list(call["argv"], `${where}, argv`).map((arg, i) =>
        this.#text(arg, `${where}, argv[${i}]`),
      ),
      cwd: this.#optional(call["cwd"], (it) => this.#text(it, `${where}, cwd`)),
      env: Object.fromEntries(
        Object.entries(this.#object(call["env"] ?? {}, `${where}, env`)).map(([name, it]) => [
          name,
          this.#text(it, `${where}, env ${name}`),
        ]),
      ),
      stdin: this.#optional(call["stdin"], (it) => this.#data(it, `${where}, stdin`)),
      readAll: call["readAll"] === true,
      output: this.list(call["output"], `${where}, output`).map((chunk, i) =>
        this.#chunk(chunk, `${where}, output[${i}]`),
      ),
      signal,
      status:
        signal === undefined ? this.#whole(call["status"], `${where}, status`, 255) : undefined,
      duration: this.#number(call["duration"] ?? 0, `${where}, duration`),
    };
  }

  #chunk(value: unknown, where: string): CassetteChunk {
    const chunk = this.#object(value, where);
    const fd = "stdout" in chunk ? 1 : 2;
    return {
      fd,
      bytes: this.#data(chunk[fd === 1 ? "stdout" : "stderr"], `${where}, stdout or stderr`),
      time: this.#number(chunk["time"] ?? 0, `${where}, time`),
    };
  }

  list(value: unknown, where: string): ReadonlyArray<unknown> {
    return Array.isArray(value) ? value : this.#refuse(where, "a list");
  }

  #object(value: unknown, where: string): Readonly<Record<string, unknown>> {
    return isObject(value) ? value : this.#refuse(where, "an object");
  }

  #text(value: unknown, where: string): string {
    return typeof value === "string" ? value : this.#refuse(where, "text");
  }

  #number(value: unknown, where: string): number {
    return typeof value === "number" && value >= 0 ? value : this.#refuse(where, "a number");
  }

  #whole(value: unknown, where: string, most: number): number {
    return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most
      ? (value as number)
      : this.#refuse(where, `a whole number from 0 to ${most}`);
  }

  #data(value: unknown, where: string): Uint8Array {
    if (Array.isArray(value))
      return new TextEncoder().encode(
        value.map((line, i) => this.#text(line, `${where}, line ${i + 1}`)).join(""),
      );
    if (typeof value === "string") return new TextEncoder().encode(value);
    const base64 = isObject(value) ? value["base64"] : undefined;
    return typeof base64 === "string"
      ? new Uint8Array(Buffer.from(base64, "base64"))
      : this.#refuse(where, "text, a list of lines, or an object with base64");
  }

  #optional<A>(value: unknown, read: (value: unknown) => A): A | undefined {
    return value === undefined ? undefined : read(value);
  }

  #refuse(where: string, expected: string): never {
    throw refused(
      this.#file,
      `it is broken: ${where} must be ${expected}: mend it, or remove the file to record it again`,
    );
  }
}
