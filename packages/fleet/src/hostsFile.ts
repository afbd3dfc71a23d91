import { createReadStream } from "node:fs";
import { printable, TaggedError } from "@rsyscall/near";
import { Effect } from "effect";
import type { HostAddress } from "./Hosts.ts";

/** Bytes of a file at most: 100,000 long lines. */
const FILE_SIZE = 16 * 1024 * 1024;

/** Characters of a line at most. */
const LINE_LENGTH = 4096;

/** Characters of a name at most, as of a host name: gethostname(2), and RFC 1035. */
const NAME_LENGTH = 255;

/** Problems that a message shows; the others are counted. */
const SHOWN = 20;

/** Hosts by their names, in the order in which they were given. */
export type HostsList = ReadonlyMap<string, HostAddress>;

/** What is wrong with hosts that were given as text. */
export interface HostsProblem {
  /** The file; `-` is stdin. */
  readonly file: string;
  /** The line, from 1 on; undefined for a problem of the file as a whole. */
  readonly line: number | undefined;
  /** What is wrong, and what is right. */
  readonly problem: string;
}

/** Hosts that were given as text are not right. The message has a line for each problem, up to 20. */
export class HostsFileError extends TaggedError("HostsFileError")<{
  /** All that is wrong. */
  readonly problems: ReadonlyArray<HostsProblem>;
}> {
  override get message(): string {
    const lines = this.problems.slice(0, SHOWN).map(({ file, line, problem }) => {
      const place = line === undefined ? shownFile(file) : `${shownFile(file)}:${line}`;
      return `${place}: ${problem}`;
    });
    const more = this.problems.length - lines.length;
    if (more > 0) lines.push(`and ${more} more ${more === 1 ? "problem" : "problems"}`);
    return lines.join("\n");
  }
}

/** Text of one file. */
export interface HostsText {
  /** The name of the file, for messages. */
  readonly file: string;
  /** Its content; bytes must be UTF-8. */
  readonly text: string | Uint8Array;
}

/**
 * Reads files with hosts, one on each line:
 *
 * ```text
 * # a comment
 * web1
 * deploy@10.0.0.1
 * ssh://deploy@host:2222
 * db = deploy@10.0.0.9 -p 2222 -o ProxyJump=bastion
 * pod = !kubectl exec -i pod/web-1 --
 * ```
 *
 * A line is a destination of ssh(1), and may have options of ssh behind it; or, behind `!`, a command that runs the words
 * which are added to it. `NAME =` gives the host a name, by which it is addressed and shown; else its destination is its
 * name. Words with spaces are quoted, with `'` or `"`. A name may be there only once, in all of the files.
 *
 * @param files their paths; `-` is stdin
 *
 * @example
 * ```ts
 * import { Hosts, readHosts } from "@rsyscall/fleet";
 * import { Effect } from "effect";
 *
 * const program = Effect.gen(function* () {
 *   const hosts = yield* readHosts(["hosts.txt"]);
 *   console.log([...hosts.keys()]);
 *   return Hosts.layer((name) => hosts.get(name));
 * });
 * ```
 */
export const readHosts = (files: ReadonlyArray<string>): Effect.Effect<HostsList, HostsFileError> =>
  Effect.flatMap(
    Effect.forEach(new Set(files), (file) =>
      Effect.map(readBytes(file), (text): HostsText => ({ file, text })),
    ),
    parseHosts,
  );

/** As `readHosts`, for text that was read already. */
export const parseHosts = (
  texts: ReadonlyArray<HostsText>,
): Effect.Effect<HostsList, HostsFileError> =>
  Effect.suspend(() => {
    const hosts = new Map<string, HostAddress>();
    const places = new Map<string, { readonly file: string; readonly line: number }>();
    const problems: Array<HostsProblem> = [];
    for (const { file, text } of texts) {
      const before = hosts.size + problems.length;
      for (const [line, content] of linesOf(text)) {
        const parsed = content === undefined ? "is not UTF-8" : parseLine(content);
        if (parsed === undefined) continue;
        if (typeof parsed === "string") {
          problems.push({ file, line, problem: parsed });
          continue;
        }
        const first = places.get(parsed.name);
        if (first === undefined) {
          places.set(parsed.name, { file, line });
          hosts.set(parsed.name, parsed.address);
          continue;
        }
        const where =
          first.file === file
            ? `on line ${first.line}`
            : `in ${shownFile(first.file)}, line ${first.line}`;
        problems.push({
          file,
          line,
          problem: `the host ${shown(parsed.name)} is ${where} already: remove one of them, or give one another name (NAME = ...)`,
        });
      }
      if (hosts.size + problems.length === before)
        problems.push({
          file,
          line: undefined,
          problem: "has no hosts: write one on each line, as of ssh: user@host",
        });
    }
    return problems.length === 0
      ? Effect.succeed(hosts)
      : Effect.fail(new HostsFileError({ problems }));
  });

const shownFile = (file: string): string => (file === "-" ? "stdin" : printable(file));

const shown = (word: string): string => printable(word, 100);

/** The bytes of a file, or of stdin. It is read until its end or the limit, also if it is no regular file. */
const readBytes = (file: string): Effect.Effect<Uint8Array, HostsFileError> => {
  const failed = (problem: string) =>
    new HostsFileError({ problems: [{ file, line: undefined, problem }] });
  return Effect.callback((resume) => {
    const stream = file === "-" ? process.stdin : createReadStream(file);
    const parts: Array<Uint8Array> = [];
    let size = 0;
    const finish = (result: Effect.Effect<Uint8Array, HostsFileError>) => {
      stream.destroy();
      resume(result);
    };
    stream.on("data", (part: Buffer) => {
      size += part.length;
      parts.push(part);
      if (size > FILE_SIZE)
        finish(
          Effect.fail(
            failed(`has more than ${FILE_SIZE / 1024 / 1024} MiB: is it a list of hosts?`),
          ),
        );
    });
    stream.on("error", (error: NodeJS.ErrnoException) =>
      finish(
        Effect.fail(
          failed(
            error.code === "EISDIR"
              ? "is a directory: give the file with the hosts"
              : `cannot be read: ${error.message}`,
          ),
        ),
      ),
    );
    stream.on("end", () => finish(Effect.succeed(Buffer.concat(parts))));
    return Effect.sync(() => stream.destroy());
  });
};

/** The lines with their numbers, from 1 on; undefined for one that is not UTF-8. */
function* linesOf(text: string | Uint8Array): Generator<[number, string | undefined]> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (bytes: Uint8Array): string | undefined => {
    try {
      return decoder.decode(bytes);
    } catch {
      return undefined;
    }
  };
  const whole = typeof text === "string" ? text.replace(/^\ufeff/, "") : decode(text);
  const lines: ReadonlyArray<string | undefined> =
    whole === undefined ? splitBytes(text as Uint8Array).map(decode) : whole.split("\n");
  for (const [i, line] of lines.entries()) yield [i + 1, line?.replace(/\r$/, "")];
}

/** The lines of bytes. In UTF-8 no other character has the byte of a newline in it. */
const splitBytes = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const lines: Array<Uint8Array> = [];
  for (let start = 0; start <= bytes.length; ) {
    const end = bytes.indexOf(10, start);
    lines.push(bytes.subarray(start, end < 0 ? bytes.length : end));
    if (end < 0) break;
    start = end + 1;
  }
  return lines;
};

interface Line {
  readonly name: string;
  readonly address: HostAddress;
}

/** The host of a line; undefined if it has none, and a text if something is wrong with it. */
const parseLine = (line: string): Line | string | undefined => {
  if (line.length > LINE_LENGTH) return `has more than ${LINE_LENGTH} characters`;
  const [, , given, isCommand, rest = ""] =
    /^\s*(([^\s=!'"#]+)\s*=\s*)?(!?)(.*)$/su.exec(line) ?? [];
  const words = wordsOf(rest);
  if (typeof words === "string") return words;
  const [first, ...others] = words;
  if (first === undefined)
    return given === undefined && isCommand === ""
      ? undefined
      : isCommand === ""
        ? `the name ${shown(given ?? "")} has no destination: write ${shown(given ?? "")} = user@host`
        : "a command is missing behind the !";
  const name = given ?? first;
  if (given === undefined && isCommand !== "")
    return "a command has no name: write NAME = !COMMAND";
  const problem = nameProblem(name) ?? (isCommand === "" ? sshProblem(first, others) : undefined);
  if (problem !== undefined) return problem;
  return {
    name,
    address: isCommand === "" ? { ssh: first, options: others } : { command: [first, ...others] },
  };
};

/** The words of a line up to its comment. Quotes are as in a shell, but nothing in them is special. */
const wordsOf = (text: string): ReadonlyArray<string> | string => {
  const words: Array<string> = [];
  const token = /\s*(?:(#.*)|((?:[^\s'"]|'[^']*'|"[^"]*")+))/suy;
  const end = text.trimEnd().length;
  while (token.lastIndex < end) {
    const found = token.exec(text);
    if (found === null) return "a quote has no end";
    if (found[1] !== undefined) break;
    const word = found[2] as string;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are refused
    if (/[\0-\x1f\x7f]/.test(word)) return `has a control character: ${shown(word)}`;
    words.push(word.replace(/'([^']*)'|"([^"]*)"/g, (_, single, double) => single ?? double));
  }
  return words;
};

const nameProblem = (name: string): string | undefined => {
  if (name === "") return "the name of the host is empty";
  if (name.startsWith("-"))
    return `${shown(name)} begins with "-", and ssh would take it for an option: options come behind the destination`;
  if (name.length > NAME_LENGTH) return `the name has more than ${NAME_LENGTH} characters`;
  if (/\s/u.test(name) || printable(name) !== name)
    return `the name ${shown(name)} has a space, or a character that is not printed`;
  return undefined;
};

/** What ssh(1) itself refuses in names of users and hosts, because a shell may read them: of a ProxyCommand, for one. */
const SPECIAL = /['"`$;&<>|(){}\s\\]/u;

const sshProblem = (destination: string, options: ReadonlyArray<string>): string | undefined => {
  const target = destination.replace(/^ssh:\/\//, "");
  const at = target.lastIndexOf("@");
  const [user, host] = [at < 0 ? undefined : target.slice(0, at), target.slice(at + 1)];
  if (host === "" || user === "") return `${shown(destination)} is no destination: write user@host`;
  if (host.startsWith("-") || user?.startsWith("-"))
    return `${shown(destination)}: a name that begins with "-" would be an option`;
  // A user may have a backslash: DOMAIN\user.
  const special = SPECIAL.exec(`${user?.replaceAll("\\", "") ?? ""}${host}`);
  if (special !== null)
    return `${shown(destination)} has ${shown(JSON.stringify(special[0]))} in it, which no host has`;
  const other = wordOfOther(options);
  if (other !== undefined)
    return `${shown(other)} behind ${shown(destination)} is no option of ssh: write each host on a line of its own, and a name as NAME = ${shown(destination)}`;
  return undefined;
};

/** The options of ssh(1) that have a value, in the same word or in the next one. */
const WITH_VALUE = "BbcDEeFIiJLlmOoPpQRSWw";

/** The first word that is neither an option of ssh nor the value of one: ssh would take it for the destination. */
const wordOfOther = (words: ReadonlyArray<string>): string | undefined => {
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (!word.startsWith("-") || word === "-" || word === "--") return word;
    const value = [...word].findIndex((letter, at) => at > 0 && WITH_VALUE.includes(letter));
    if (value === word.length - 1) i++;
  }
  return undefined;
};
