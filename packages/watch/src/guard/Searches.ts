import { basename } from "node:path";
import type { Deny, ExecCall, ExecEvent } from "@rsyscall/seccomp";

/** A program that a process looks for in PATH, and was denied. */
interface Search {
  readonly name: string;
  readonly argv: ReadonlyArray<string>;
  /** Where it has looked since. */
  readonly tried: Set<string>;
  readonly denial: Deny;
}

/**
 * What was denied to processes that look for a program in PATH. execvp(3) goes on with the next directory after EACCES,
 * and that is no new question: the search has one decision.
 */
export class Searches {
  readonly #byPid = new Map<number, Search>();

  /** Whether a call is one of a search: a name without a slash is called by a path. */
  static isOf({ argv: [name], path }: ExecCall): boolean {
    return name !== undefined && name !== "" && name === basename(path);
  }

  /** The denial of the search that a call goes on with; undefined if it begins one, or none. */
  denial({ pid, isRetry, path, argv }: ExecCall): Deny | undefined {
    const search = this.#byPid.get(pid);
    if (search === undefined) return undefined;
    const goesOn =
      isRetry &&
      search.name === basename(path) &&
      !search.tried.has(path) &&
      search.argv.length === argv.length &&
      search.argv.every((word, i) => word === argv[i]);
    if (!goesOn) return undefined;
    search.tried.add(path);
    return search.denial;
  }

  /** Notes a decision, and the end of a process. */
  hear(event: ExecEvent): void {
    if (event._tag === "End") {
      this.#byPid.delete(event.pid);
      return;
    }
    const { call, decision } = event;
    if (decision._tag === "Allow" || !Searches.isOf(call)) this.#byPid.delete(call.pid);
    else if (this.#byPid.get(call.pid)?.denial !== decision)
      this.#byPid.set(call.pid, {
        name: basename(call.path),
        argv: call.argv,
        tried: new Set([call.path]),
        denial: decision,
      });
  }
}
