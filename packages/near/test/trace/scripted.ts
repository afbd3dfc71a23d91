import { type Abi, x86_64 } from "@rsyscall/abi";
import { Effect } from "effect";
import {
  Address,
  Fd,
  type Outcome,
  PendingCall,
  type SyscallInterface,
  type TracedCall,
  type TraceSink,
  traced,
  type Word,
} from "../../src/index.ts";

/**
 * A traced task that exists on paper: calls get the results that they are given, and memory is what was written.
 *
 * @param extra a second sink
 */
export const scripted = (extra: TraceSink = () => {}, abi: Abi = x86_64) => {
  const results: Array<Outcome> = [];
  const pending: Array<PendingCall> = [];
  const submitted: Array<string> = [];
  const memory = new Map<number, Uint8Array>();
  let isLater = false;
  const sysif: SyscallInterface = {
    abi,
    activityFd: Fd(3),
    direct: {
      submit: (number) => {
        submitted.push(abi.syscallName(number));
        const call = new PendingCall(number);
        if (isLater) pending.push(call);
        else call.complete(results.shift() ?? 0);
        return call;
      },
      settle: () => void submitted.push("settle"),
    },
    syscall: () => Effect.die(new Error("calls are submitted directly")),
    read: (address, length) =>
      Effect.sync(() => {
        submitted.push("read memory");
        return new Uint8Array(length).map((_, i) => memory.get(address)?.[i] ?? 0);
      }),
    write: (address, bytes) =>
      Effect.sync(() => {
        submitted.push("write memory");
        memory.set(address, bytes);
      }),
    barrier: () => Effect.void,
    close: () => Effect.void,
  };
  const lines: Array<string> = [];
  const calls: Array<TracedCall> = [];
  const sink: TraceSink = (event) => {
    extra(event);
    if (event._tag !== "Ended") return;
    calls.push(event.call);
    lines.push(String(event.call));
  };
  const through = traced(sysif, sink, { pid: 7 });
  const submit = (name: string, ...words: ReadonlyArray<Word>) => {
    const number = name.startsWith("#") ? Number(name.slice(1)) : abi.syscallNumber(name as never);
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = words;
    return through.direct?.submit(number as number, a, b, c, d, e, f) as PendingCall;
  };
  return {
    sysif: through,
    bare: sysif,
    lines,
    calls,
    submitted,
    /** What the kernel has written there, for who reads it. */
    fill: (address: number, bytes: Uint8Array) => memory.set(address, bytes),
    write: (address: number, bytes: Uint8Array) =>
      Effect.runSync(through.write(Address(address), bytes)),
    read: (address: number, length: number) =>
      Effect.runSync(through.read(Address(address), length)),
    /** Submits a call that has this result at once. */
    call: (result: Outcome, name: string, ...words: ReadonlyArray<Word>) => {
      results.push(result);
      return submit(name, ...words);
    },
    /** Submits a call that is in flight. */
    later: (name: string, ...words: ReadonlyArray<Word>) => {
      isLater = true;
      const call = submit(name, ...words);
      isLater = false;
      return call;
    },
  };
};

/** Waits until the calls whose memory is not read were told. */
export const turn = Effect.promise(
  () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve))),
);
