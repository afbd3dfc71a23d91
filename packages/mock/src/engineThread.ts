import { rmSync } from "node:fs";
import { URL } from "node:url";
import type { MessagePort } from "node:worker_threads";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { CallRing, ringMemory } from "./CallRing.ts";
import { type EngineData, type FromEngine, TEST, type ToEngine } from "./messages.ts";
import { mockDirectoryPath } from "./mockDirectory.ts";
import { nodeProcess } from "./nodeRealm.ts";
import { clearTimeout, setTimeout } from "./timers.ts";

/** A mock, as it hears from the engine. */
export interface Listener {
  readonly hear: (message: FromEngine) => void;
  /** The engine has ended. */
  readonly fail: (error: Error) => void;
}

/** How long an engine without a mock stays, in milliseconds: the next test makes another one. */
const IDLE_LIMIT = 1000;

/** The worker thread of this thread's mocks. It does not keep the process alive, unless something waits for it. */
class EngineThread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #calls: CallRing;
  readonly #test = new Int32Array(new SharedArrayBuffer(8));
  readonly #listeners = new Map<number, Listener>();
  readonly #spareNames = mockDirectoryPath();
  #waiting = 0;
  #lastMock = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    const calls = ringMemory();
    this.#port = port1;
    this.#calls = new CallRing(calls);
    // From the sources too: a worker thread cannot load TypeScript on every Node.
    this.#worker = new Worker(new URL("../dist/engine.js", import.meta.url), {
      workerData: {
        port: port2,
        calls,
        test: this.#test.buffer,
        spareNames: this.#spareNames,
      } satisfies EngineData,
      transferList: [port2],
      // Neither flags of the test's loader nor its environment are for the engine.
      execArgv: [],
      name: "rsyscall mock",
    });
    this.#port.on("message", (message: FromEngine) => this.#hear(message));
    this.#worker.on("error", (error) => this.#end(error));
    this.#worker.on("exit", (status) =>
      this.#end(new Error(`the worker thread has ended with status ${status}`)),
    );
    this.#port.unref();
    this.#worker.unref();
    this.#endWhenIdle();
  }

  /** A number for a new mock. */
  register(listener: Listener): number {
    clearTimeout(this.#idle);
    const mock = ++this.#lastMock;
    this.#listeners.set(mock, listener);
    return mock;
  }

  forget(mock: number): void {
    if (this.#listeners.delete(mock) && this.#listeners.size === 0) this.#endWhenIdle();
  }

  #endWhenIdle(): void {
    this.#idle = setTimeout(() => {
      if (current === this) current = undefined;
      this.post({ type: "end" });
    }, IDLE_LIMIT);
    this.#idle.unref();
  }

  post(message: ToEngine): void {
    this.#port.postMessage(message);
    Atomics.add(this.#test, TEST.POSTED, 1);
  }

  /** Hears all that the engine has said until now, also while this thread never comes back to its event loop. */
  drain(): void {
    for (
      let next = receiveMessageOnPort(this.#port);
      next !== undefined;
      next = receiveMessageOnPort(this.#port)
    )
      this.#hear(next.message as FromEngine);
    this.#drainCalls();
  }

  #drainCalls(): void {
    for (const call of this.#calls.take()) this.#listeners.get(call.mock)?.hear(call);
  }

  /** Waits for something that calls decide: this thread hears of each at once. */
  async duringCalls<A>(what: Promise<A>): Promise<A> {
    // From now on the engine wakes this thread, and calls from before are there.
    Atomics.add(this.#test, TEST.WAITING, 1);
    this.#drainCalls();
    try {
      return await this.during(what);
    } finally {
      Atomics.sub(this.#test, TEST.WAITING, 1);
    }
  }

  /** Keeps the process alive until something that waits has ended. */
  async during<A>(what: Promise<A>): Promise<A> {
    if (this.#waiting++ === 0) this.#port.ref();
    try {
      return await what;
    } finally {
      if (--this.#waiting === 0) this.#port.unref();
    }
  }

  #hear(message: FromEngine): void {
    // It may be about one of them.
    this.#drainCalls();
    this.#listeners.get(message.mock)?.hear(message);
  }

  /** A mock of all names begins. When it ends, its directory may be kept. The engine removes that, or the process does. */
  mayKeepNames(): void {
    nodeProcess.off("exit", this.#removeNames).on("exit", this.#removeNames);
  }

  readonly #removeNames = (): void => rmSync(this.#spareNames, { recursive: true, force: true });

  #end(error: Error): void {
    if (current === this) current = undefined;
    clearTimeout(this.#idle);
    nodeProcess.off("exit", this.#removeNames);
    const failure = new Error(`The engine of the mocks has ended: ${error.message}`, {
      cause: error,
    });
    for (const listener of [...this.#listeners.values()]) listener.fail(failure);
    this.#listeners.clear();
  }
}

let current: EngineThread | undefined;

/** The engine of this thread. Starts it if there is none. */
export const engineThread = (): EngineThread => (current ??= new EngineThread());

export type { EngineThread };
