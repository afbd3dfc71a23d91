import type { MessagePort } from "node:worker_threads";
import type { HandedOver } from "@rsyscall/stub-server";
import type { CallRecord } from "./record.ts";
import type { RuleData } from "./reply.ts";
import type { NotRun, Ran, RunRequest } from "./runMessages.ts";
import type { TapeData } from "./Tape.ts";

/*
 * What the thread of the test and the engine say to each other, but for calls: those are in a CallRing, unless that is
 * full. Both read all before they decide anything, so what one has said before it let a program run, the other knows when
 * that program calls.
 */

/** What becomes of a program that is called around a hermetic mock: it is named, or denied as well. */
export type AroundPath = "name" | "deny";
/** What the engine begins with. */
export interface EngineData {
  readonly port: MessagePort;
  /** Of the CallRing. */
  readonly calls: SharedArrayBuffer;
  /** Of an Int32Array with the words `TEST`. */
  readonly test: SharedArrayBuffer;
  /** Where it keeps directories for the next mocks. */
  readonly spareNames: string;
}

/** What the thread of the test says without a message. */
export const TEST = {
  /** How many wait for calls: while it is not 0, the engine wakes the thread for each. */
  WAITING: 0,
  /** How many messages were posted. To look at the port takes longer. */
  POSTED: 1,
} as const;

/** Of a mock, as the engine needs it. */
export interface OpenOptions {
  /** Where its names are, as links in `bin`. */
  readonly directory: string;
  /** Names beside those of rules that are to be there: those of all programs in `searchPath`, except for `allow`. */
  readonly everything: boolean;
  /** Names that are links to the real programs; and paths that may be executed. */
  readonly allow: ReadonlyArray<string>;
  /** What becomes of programs that are called around the mock; undefined: they are not looked at. */
  readonly aroundPath: AroundPath | undefined;
  /** PATH without us. */
  readonly searchPath: string;
  /** How long a handler may take, in milliseconds. */
  readonly deadline: number;
  /** How long a thread may be blocked that must answer, in milliseconds. */
  readonly blockedLimit: number;
  /** What is recorded, and whether more is. */
  readonly cassette: TapeData | undefined;
  /** The path of a file for lines about its calls. */
  readonly log: string | undefined;
}

/** From the thread of the test to the engine. */
export type ToEngine =
  | { readonly type: "open"; readonly mock: number; readonly options: OpenOptions }
  | { readonly type: "close"; readonly mock: number }
  /** The engine is not needed any more. */
  | { readonly type: "end" }
  /** A rule, or a rule that has changed. */
  | { readonly type: "rule"; readonly mock: number; readonly rule: RuleData }
  /** A program under test. */
  | {
      readonly type: "run";
      readonly mock: number;
      readonly run: number;
      readonly request: RunRequest;
    }
  /** It is to be killed. */
  | { readonly type: "endRun"; readonly mock: number; readonly run: number }
  /** Mocked places are to have stubs. */
  | {
      readonly type: "stubs";
      readonly mock: number;
      readonly request: number;
      readonly places: ReadonlyArray<string>;
    }
  /** It is to get a signal. */
  | {
      readonly type: "signalRun";
      readonly mock: number;
      readonly run: number;
      readonly signal: number;
    }
  /** The thread of the test answers a call that was left to it. */
  | {
      readonly type: "taken";
      readonly mock: number;
      readonly index: number;
      /** Why it cannot, after all. */
      readonly problem: string | undefined;
    }
  /** The thread of the test knows of a call that was left to it, and will take it: it is not blocked. */
  | { readonly type: "heard"; readonly mock: number; readonly index: number }
  /** What a predicate says; text if it has thrown. */
  | { readonly type: "predicate"; readonly request: number; readonly answer: boolean | string };

/** From the engine to the thread of the test. */
export type FromEngine =
  | { readonly type: "opened"; readonly mock: number }
  | { readonly type: "closed"; readonly mock: number; readonly problem: string | undefined }
  | PostedCall
  /** There are calls in the ring that the thread of the test waits for, or that it should take. */
  | { readonly type: "wake"; readonly mock: number }
  /** The stub of each place that was asked for. */
  | {
      readonly type: "stubs";
      readonly mock: number;
      readonly request: number;
      readonly stubs: ReadonlyMap<string, string> | { readonly problem: string };
    }
  /** A program under test runs. */
  | {
      readonly type: "started";
      readonly mock: number;
      readonly run: number;
      readonly pid: number;
    }
  /** A program under test has ended, or could not run. */
  | {
      readonly type: "ran";
      readonly mock: number;
      readonly run: number;
      readonly ran: Ran | NotRun;
    }
  /** What has become known of a call. */
  | {
      readonly type: "outcome";
      readonly mock: number;
      readonly index: number;
      readonly changes: Partial<CallRecord>;
    }
  /** A call for a function of the test. */
  | {
      readonly type: "closure";
      readonly mock: number;
      readonly index: number;
      readonly id: number;
      readonly handed: HandedOver;
    }
  | {
      readonly type: "predicate";
      readonly mock: number;
      readonly request: number;
      readonly id: number;
      readonly text: string;
      readonly claim: SharedArrayBuffer;
    };

/** A call, on its way to the thread of the test. */
export interface PostedCall {
  readonly type: "call";
  readonly mock: number;
  readonly record: PostedRecord;
}

/** A call as it is posted: text is copied much faster than an object with a field for each variable. */
export interface PostedRecord extends Omit<CallRecord, "env"> {
  /** As in environ(7): each with a NUL behind it. */
  readonly environment: string;
}

/** A call from the other thread. Its environment is made when it is first read. */
export const withEnv = ({ environment, ...record }: PostedRecord): CallRecord => {
  let env: Readonly<Record<string, string>> | undefined;
  return {
    ...record,
    // Those of another thread have classes of Node's own realm; a test in a realm of its own has others.
    argv: [...record.argv],
    get env() {
      env ??= variablesOf(environment);
      return env;
    },
  };
};

/** Variables by their names. As getenv(3): the first of several wins. */
const variablesOf = (environment: string): Readonly<Record<string, string>> => {
  const values = new Map<string, string>();
  for (const text of environment.split("\0")) {
    // The name may begin with "=", as some systems have it.
    const at = text.indexOf("=", 1);
    const name = text.slice(0, at);
    if (at > 0 && !values.has(name)) values.set(name, text.slice(at + 1));
  }
  // Not by assignment: a variable may have the name __proto__.
  return Object.fromEntries(values);
};

/**
 * Who answers a call: the thread of the test, or the engine, if that thread is blocked. One of them, and not both.
 */
export const CLAIM = { OPEN: 0, TEST: 1, ENGINE: 2 } as const;

/** Takes a claim for one side, if the other has not got it. */
export const claims = (claim: SharedArrayBuffer, side: 1 | 2): boolean =>
  Atomics.compareExchange(new Int32Array(claim), 0, CLAIM.OPEN, side) === CLAIM.OPEN;
