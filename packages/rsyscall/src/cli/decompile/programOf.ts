import { constants } from "node:fs";
import { isAbsolute, relative } from "node:path";
import { commandLine } from "@rsyscall/mock";
import type { SeenCall, SeenFd, SeenFds } from "./SeenCall.ts";

/** A script, as it was run. */
export interface SeenScript {
  readonly name: string;
  readonly argv: ReadonlyArray<string>;
  readonly cwd: string;
  readonly fds: SeenFds;
  readonly calls: ReadonlyArray<SeenCall>;
  readonly status: number;
}

/** The program in TypeScript that makes the same calls. */
export const programOf = (script: SeenScript): string => {
  const pipelines = pipelinesOf(script.calls);
  const writer = new ProgramWriter(script);
  for (const pipeline of pipelines) writer.pipeline(pipeline);
  return writer.program;
};

const PIPE = /^pipe:\[\d+\]$/;
const isPipe = (fd: SeenFd | undefined): boolean => PIPE.test(fd?.link ?? "");

/** Calls that are connected by pipes, the writer first. Each call is in one. */
const pipelinesOf = (calls: ReadonlyArray<SeenCall>): ReadonlyArray<ReadonlyArray<SeenCall>> => {
  const next = new Map<SeenCall, SeenCall>();
  const hasFormer = new Set<SeenCall>();
  for (const call of calls) {
    const [, stdout] = call.fds;
    const reader =
      isPipe(stdout) &&
      calls.find(
        (other) => other !== call && other.fds[0]?.link === stdout?.link && !hasFormer.has(other),
      );
    if (!reader) continue;
    next.set(call, reader);
    hasFormer.add(reader);
  }
  const done = new Set<SeenCall>();
  const pipelines: Array<ReadonlyArray<SeenCall>> = [];
  for (const call of calls) {
    // A pipeline stands where the first of its programs was called, whichever that is.
    let first = call;
    for (const seen = new Set([call]); hasFormer.has(first); ) {
      const former = [...next].find(([, reader]) => reader === first)?.[0];
      if (former === undefined || seen.has(former)) break;
      first = former;
      seen.add(first);
    }
    if (done.has(first)) continue;
    const pipeline: Array<SeenCall> = [];
    for (
      let it: SeenCall | undefined = first;
      it !== undefined && !done.has(it);
      it = next.get(it)
    ) {
      pipeline.push(it);
      done.add(it);
    }
    pipelines.push(pipeline);
  }
  return pipelines;
};

const string = (text: string): string => JSON.stringify(text);

/** A comment has no line end in it. */
const comment = (text: string): string => `// ${text.replace(/\s*[\r\n\u2028\u2029]\s*/g, " ")}`;

/** What a call's program gets in place of a descriptor of the script. */
interface Redirection {
  readonly option: "stdin" | "stdout" | "stderr";
  readonly variable: string;
}

class ProgramWriter {
  readonly #script: SeenScript;
  readonly #imports = new Set(["LocalThread"]);
  readonly #lines: Array<string> = [];
  #names = 0;

  constructor(script: SeenScript) {
    this.#script = script;
  }

  #name(kind: string): string {
    return `${kind}${++this.#names}`;
  }

  /** A path as the script may have written it. */
  #path(path: string): string {
    const inside = relative(this.#script.cwd, path);
    return string(
      inside === "" ? "." : inside.startsWith("..") || isAbsolute(inside) ? path : inside,
    );
  }

  pipeline(calls: ReadonlyArray<SeenCall>): void {
    const [first] = calls;
    if (first === undefined) return;
    const steps: Array<string> = [];
    const comments = [
      calls.map(({ argv, program }) => commandLine([program, ...argv.slice(1)])).join(" | "),
    ];
    const running = first.running.map((at) => this.#script.calls[at]?.program).filter(Boolean);
    if (running.length > 0)
      comments.push(
        `while these were still running, as by & or in a subshell: ${running.join(", ")}`,
      );

    let reader: string | undefined;
    const commands = calls.map((call, at) => {
      const isLast = at === calls.length - 1;
      const options: Array<Redirection> = [];
      if (reader !== undefined) options.push({ option: "stdin", variable: reader });
      else this.#stdin(call, steps, comments, options);
      reader = undefined;
      const closing = options.map(({ variable }) => variable);
      if (!isLast) {
        const [next, writer] = [this.#name("reader"), this.#name("writer")];
        steps.push(`const [${next}, ${writer}] = yield* thread.pipe();`);
        options.push({ option: "stdout", variable: writer });
        closing.push(writer);
        reader = next;
      }
      this.#outputs(call, isLast, steps, comments, options);
      return { call, options, closing };
    });

    if (calls.length === 1) {
      for (const { call, options } of commands)
        steps.push(`yield* thread.run(${this.#command(call)}${this.#options(call, options)});`);
    } else {
      const children = commands.map(({ call, options, closing }) => {
        const child = this.#name("child");
        steps.push(
          `const ${child} = yield* thread.spawn(${this.#command(call)}${this.#options(call, options)});`,
        );
        // Else a reader would wait for the end of a pipe that we hold open.
        for (const end of closing.filter((name) => /^(reader|writer)/.test(name)))
          steps.push(`yield* ${end}.close();`);
        return child;
      });
      for (const child of children) steps.push(`yield* ${child}.wait();`);
    }
    this.#lines.push("", ...comments.map(comment));
    if (steps.length === 1) this.#lines.push(...steps);
    else
      this.#lines.push(
        "yield* Effect.scoped(",
        "  Effect.gen(function* () {",
        ...steps.map((step) => `    ${step}`),
        "  }),",
        ");",
      );
  }

  #command({ program, argv, env }: SeenCall): string {
    const args = argv.slice(1).map(string).join(", ");
    const updates = Object.entries(env).map(
      ([name, value]) => `${string(name)}: ${value === undefined ? "undefined" : string(value)}`,
    );
    return (
      `(yield* thread.which(${string(program)}))` +
      (args === "" ? "" : `.args(${args})`) +
      (argv[0] === undefined || argv[0] === program ? "" : `.argv0(${string(argv[0])})`) +
      (updates.length === 0 ? "" : `.env({ ${updates.join(", ")} })`)
    );
  }

  #options({ cwd }: SeenCall, redirections: ReadonlyArray<Redirection>): string {
    const options = redirections.map(({ option, variable }) => `${option}: ${variable}`);
    if (cwd !== undefined && cwd !== this.#script.cwd) options.push(`cwd: ${this.#path(cwd)}`);
    return options.length === 0 ? "" : `, { ${options.join(", ")} }`;
  }

  #stdin(
    call: SeenCall,
    steps: Array<string>,
    comments: Array<string>,
    options: Array<Redirection>,
  ): void {
    const [stdin] = call.fds;
    if (stdin === undefined) comments.push("its stdin was closed, which is not done here");
    else if (stdin.text !== undefined) {
      const variable = this.#name("text");
      this.#imports.add("Memfd").add("SEEK");
      steps.push(
        `const ${variable} = yield* Memfd.make(thread, "here-document");`,
        `yield* ${variable}.writeAllText(${string(stdin.text)});`,
        `yield* ${variable}.lseek(${stdin.position}, SEEK.SET);`,
      );
      options.push({ option: "stdin", variable });
    } else if (stdin.link !== this.#script.fds[0]?.link) {
      if (isPipe(stdin)) {
        comments.push(
          "NOT KNOWN: its stdin was a pipe from the shell (echo, printf, a here-document or a subshell); it is empty here",
        );
        options.push({
          option: "stdin",
          variable: this.#open("/dev/null", constants.O_RDONLY, steps),
        });
      } else this.#file("stdin", stdin, steps, comments, options);
    }
  }

  #outputs(
    call: SeenCall,
    isLast: boolean,
    steps: Array<string>,
    comments: Array<string>,
    options: Array<Redirection>,
  ): void {
    const [, stdout, stderr] = call.fds;
    const [, ownStdout, ownStderr] = this.#script.fds;
    if (isLast) {
      if (stdout === undefined) comments.push("its stdout was closed, which is not done here");
      else if (stdout.link !== ownStdout?.link) {
        if (isPipe(stdout))
          comments.push(
            "NOT KNOWN: the shell has read its stdout ($(...), or a loop); it goes to ours here, " +
              "and arguments that came of it are fixed",
          );
        else if (stdout.link === ownStderr?.link)
          options.push({ option: "stdout", variable: "thread.stderr" });
        else this.#file("stdout", stdout, steps, comments, options);
      }
    }
    if (stderr === undefined) comments.push("its stderr was closed, which is not done here");
    else if (stderr.link !== ownStderr?.link) {
      const asStdout = options.find(({ option }) => option === "stdout");
      if (stderr.link === stdout?.link)
        options.push({ option: "stderr", variable: asStdout?.variable ?? "thread.stdout" });
      else if (stderr.link === ownStdout?.link)
        options.push({ option: "stderr", variable: "thread.stdout" });
      else if (isPipe(stderr)) comments.push("NOT KNOWN: the shell has read its stderr");
      else this.#file("stderr", stderr, steps, comments, options);
    }
  }

  #file(
    option: Redirection["option"],
    { link, flags, position }: SeenFd,
    steps: Array<string>,
    comments: Array<string>,
    options: Array<Redirection>,
  ): void {
    if (!link.startsWith("/") || link.endsWith(" (deleted)")) {
      comments.push(`NOT KNOWN: its ${option} was ${link}; it is ours here`);
      return;
    }
    const access = flags & 3;
    const isDevice = link.startsWith("/dev/");
    const isAppending = (flags & constants.O_APPEND) !== 0;
    let mode = access;
    if (isAppending) mode |= constants.O_APPEND;
    if (access === constants.O_WRONLY && !isDevice) {
      mode |= constants.O_CREAT;
      // A shell does not show whether it has created a file, or has found it empty.
      if (!isAppending && position === 0) mode |= constants.O_TRUNC;
    }
    if (position > 0 && !isAppending && !isDevice) {
      if (access !== constants.O_RDONLY) mode |= constants.O_APPEND;
      comments.push(
        `${link} was open for several programs, as by exec or { ...; } > FILE: ` +
          `${position} bytes of it were ${access === constants.O_RDONLY ? "read" : "written"} before`,
      );
    }
    const variable = this.#open(link, mode, steps);
    if (position > 0 && access === constants.O_RDONLY && !isDevice) {
      this.#imports.add("SEEK");
      steps.push(`yield* ${variable}.lseek(${position}, SEEK.SET);`);
    }
    options.push({ option, variable });
  }

  #open(path: string, mode: number, steps: Array<string>): string {
    const variable = this.#name("file");
    this.#imports.add("O");
    const names = (["O_CREAT", "O_TRUNC", "O_APPEND"] as const).filter(
      (name) => mode & constants[name],
    );
    const access = ["O_RDONLY", "O_WRONLY", "O_RDWR"][mode & 3] ?? "O_RDONLY";
    const flags = [access, ...names].map((name) => name.replace("_", ".")).join(" | ");
    const permissions = mode & constants.O_CREAT ? ", 0o666" : "";
    steps.push(
      `const ${variable} = yield* thread.open(${this.#path(path)}, ${flags}${permissions});`,
    );
    return variable;
  }

  get program(): string {
    const { name, argv, status } = this.#script;
    const imports = [...this.#imports].sort();
    return [
      comment(`The programs that ${name} has called, by: rsyscall decompile ${commandLine(argv)}`),
      comment(`The script has really run, and its exit status was ${status}.`),
      "//",
      "// This is one run of it. What is not known: its loops, conditions, variables and functions; builtins of the shell",
      "// (cd, echo, read, test, exit); programs that it called by a path, and not by a name; whether it looked at an exit",
      "// status, which nothing does here (`set -e`: thread.run gives the status, and child.check() fails).",
      'import { Effect } from "effect";',
      `import { ${imports.join(", ")} } from "rsyscall";`,
      "",
      "const program = Effect.gen(function* () {",
      "  const thread = yield* LocalThread;",
      ...(this.#lines.length === 0
        ? ["", "  // It has called no program by its name.", "  yield* Effect.logDebug(thread);"]
        : this.#lines.map((line) => (line === "" ? "" : `  ${line}`))),
      "});",
      "",
      "await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(LocalThread.layer)));",
      "",
    ].join("\n");
  }
}
