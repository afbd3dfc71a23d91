import { fsDecode } from "@rsyscall/abi";
import type { RunSummary } from "@rsyscall/fleet";
import { printableLines } from "@rsyscall/near";
import { coloured } from "../colours.ts";
import type { FleetCommandOptions, ReportedEvent, Written } from "./runFleet.ts";
import type { Screen } from "./Screen.ts";

/** Writes what happens on the hosts, as it happens. */
export interface Report {
  event(event: ReportedEvent): Promise<void>;
  /** There are no more events. */
  end(summary: RunSummary): Promise<void>;
}

const { stdout, stderr } = process;

/** Lines of text, each with its host before it, on the stream on which the host has written them. */
export const textReport = (screen: Screen, quiet: boolean): Report => {
  let ended = 0;
  return {
    event: async (event) => {
      if (event._tag === "Started") return;
      ended++;
      if (event._tag === "Skipped") return;
      const written = writtenOf(event);
      const isDone = event._tag === "Done";
      if (written !== undefined) {
        await screen.write(stdout, prefixed(stdout, event.host, written.stdout));
        await screen.write(stderr, prefixed(stderr, event.host, written.stderr));
        await screen.write(stderr, cutOf(event.host, written));
      }
      const seconds = (event.duration / 1000).toFixed(1);
      const text = isDone ? "done" : reasonOf(event);
      const count = screen.hasLines ? `[${ended}] ` : "";
      if (!isDone || screen.hasLines)
        await screen.write(
          stderr,
          `${count}${event.host}: ${isDone ? text : coloured(stderr, "red", text)}${quiet ? "" : ` (${seconds} s)`}\n`,
        );
    },
    end: async () => {},
  };
};

const writtenOf = (event: ReportedEvent): Written | undefined =>
  event._tag === "Done"
    ? event.value
    : event._tag === "Failed" && event.error._tag === "CommandError"
      ? event.error
      : undefined;

/** What a failure says; that of a host names it, and so does the line. */
const reasonOf = (event: Extract<ReportedEvent, { readonly _tag: "Failed" }>): string => {
  const prefix = `${event.host}: `;
  const { message } = event.error;
  const text = message.startsWith(prefix) ? message.slice(prefix.length) : message;
  return printableLines(text).trim().replaceAll("\n", `\n${event.host}: `);
};

/** Lines with their host before them. Characters on which a terminal would act are escaped. */
const prefixed = (stream: NodeJS.WriteStream, host: string, bytes: Uint8Array): string => {
  if (bytes.length === 0) return "";
  const prefix = `${coloured(stream, "bold", `${host}:`)} `;
  const text = printableLines(fsDecode(bytes)).replace(/\n$/, "");
  return `${prefix}${text.replaceAll("\n", `\n${prefix}`)}\n`;
};

const cutOf = (host: string, { stdoutCut, stderrCut }: Written): string =>
  [["stdout", stdoutCut] as const, ["stderr", stderrCut] as const]
    .filter(([, cut]) => cut > 0)
    .map(([name, cut]) => `${host}: ${cut} more bytes of ${name} are left out\n`)
    .join("");

/** A document of JSON: the hosts in the order in which they come to their end, and the summary. */
export const jsonReport = (screen: Screen, { command, shell }: FleetCommandOptions): Report => {
  let isFirst = true;
  let ended = 0;
  const head = `{"rsyscall":1,"command":${json(command)},"shell":${shell},"hosts":{`;
  const next = () => {
    const before = isFirst ? `${head}\n` : ",";
    isFirst = false;
    return before;
  };
  return {
    event: async (event) => {
      if (event._tag === "Started") return;
      ended++;
      await screen.write(stdout, `${next()}${json(event.host)}:${json(resultOf(event))}\n`);
      if (!screen.hasLines) return;
      const text = event._tag === "Failed" ? reasonOf(event) : event._tag.toLowerCase();
      await screen.write(stderr, `[${ended}] ${event.host}: ${text}\n`);
    },
    end: (summary) =>
      screen.write(stdout, `${isFirst ? head : ""}},\n"summary":${json(summary)}}\n`),
  };
};

const resultOf = (event: Exclude<ReportedEvent, { readonly _tag: "Started" }>): unknown => {
  if (event._tag === "Skipped") return { skipped: true };
  const written = writtenOf(event);
  const output =
    written === undefined
      ? {}
      : {
          ...textOf("stdout", written),
          ...textOf("stderr", written),
          ...(written.outputOpen === true ? { outputOpen: true } : {}),
        };
  const duration = Math.round(event.duration);
  if (event._tag === "Done") return { status: 0, ...output, duration };
  const { error } = event;
  return error._tag === "CommandError"
    ? {
        status: error.status,
        signal: error.signal,
        error: error._tag,
        detail: error.detail,
        ...output,
        duration,
      }
    : {
        error: error.error,
        problem: error.problem,
        detail: reasonOf(event),
        mayHaveRun: error.mayHaveRun,
        duration,
      };
};

/** Output as text, or in Base64 if it is not UTF-8. */
const textOf = (name: "stdout" | "stderr", written: Written): Record<string, unknown> => {
  const cut = written[`${name}Cut`] > 0 ? { [`${name}Cut`]: written[`${name}Cut`] } : {};
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(written[name]);
    return { [name]: text, ...cut };
  } catch {
    return { [`${name}Base64`]: Buffer.from(written[name]).toString("base64"), ...cut };
  }
};

/** JSON without characters on which a terminal would act. In JSON, these are only in strings. */
const json = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
