import { EventEmitter } from "node:events";
import { emitKeypressEvents, type Interface } from "node:readline";
import type { HandleFailure } from "@rsyscall/handle";
import { type Cause, Effect, Option, Queue, type Scope, type Terminal } from "effect";
import { rawMode } from "./rawMode.ts";
import type { TerminalInput } from "./terminalInput.ts";

/** Milliseconds that an escape waits for the rest of its sequence, as in Effect's own Terminal. */
const ESCAPE_TIMEOUT = 50;

/** Keys that are kept for a reader before reading stops. */
const MOST_KEYS = 16;

interface Press {
  readonly input: Terminal.UserInput;
  /** The characters that were typed. */
  readonly sequence: string;
}

/** Parses characters into keys. */
class KeyParser {
  readonly #source = new EventEmitter();
  readonly #pressed: Array<Press> = [];
  /** Characters of an incomplete key. */
  partial = "";
  #onKey: () => void = () => {};

  constructor() {
    // Node listens to the source only once there is a listener of keys.
    this.#source.on("keypress", (text: string | undefined, key: Partial<NodeKey>) => {
      this.partial = "";
      this.#pressed.push({
        sequence: key.sequence ?? text ?? "",
        input: {
          input: Option.fromUndefinedOr(text),
          key: {
            name: key.name ?? "",
            ctrl: key.ctrl === true,
            meta: key.meta === true,
            shift: key.shift === true,
          },
        },
      });
      this.#onKey();
    });
    // Node uses no more of the stream and the interface than this.
    emitKeypressEvents(
      this.#source as unknown as NodeJS.ReadableStream,
      { escapeCodeTimeout: ESCAPE_TIMEOUT } as unknown as Interface,
    );
  }

  /** Takes the next key from the front of a text. */
  next(from: { text: string }): Press | undefined {
    while (this.#pressed.length === 0 && from.text.length > 0) {
      const character = String.fromCodePoint(from.text.codePointAt(0) as number);
      from.text = from.text.slice(character.length);
      this.partial += character;
      this.#source.emit("data", character);
    }
    return this.#pressed.shift();
  }

  /** Waits for a key that needs no more input: an escape that nothing has followed. */
  arrival(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (this.#pressed.length > 0) return resume(Effect.void);
      this.#onKey = () => resume(Effect.void);
      return Effect.sync(() => {
        this.#onKey = () => {};
      });
    });
  }
}

/** Converts Node's description of a key. */
interface NodeKey {
  readonly sequence: string;
  readonly name: string;
  readonly ctrl: boolean;
  readonly meta: boolean;
  readonly shift: boolean;
}

const isQuit = ({ key }: Terminal.UserInput): boolean =>
  key.name === "escape" || (key.ctrl && (key.name === "c" || key.name === "d"));

type Keys = Queue.Queue<Terminal.UserInput, Cause.Done>;

/** The readers; each gets every key that is pressed. */
export class Readers {
  readonly #input: TerminalInput;
  readonly #parser = new KeyParser();
  readonly #queues = new Set<Keys>();
  readonly #sequences = new WeakMap<Terminal.UserInput, string>();
  /** Readers whose keys have ended and whose scopes are still open. */
  readonly #finished = new Set<Keys>();
  #hasEnded = false;
  #onJoin: () => void = () => {};

  constructor(input: TerminalInput) {
    this.#input = input;
  }

  /** Adds a reader until its scope closes. */
  join(): Effect.Effect<Keys, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.tap(Queue.bounded<Terminal.UserInput, Cause.Done>(MOST_KEYS), (queue) =>
        Effect.sync(() => {
          if (this.#hasEnded) Queue.endUnsafe(queue);
          else this.#queues.add(queue);
          this.#onJoin();
        }),
      ),
      (queue) => this.#leave(queue),
    );
  }

  /** Waits for a reader. */
  readonly #joined = Effect.callback<void>((resume) => {
    this.#onJoin = () => resume(Effect.void);
  });

  /** Puts back the keys that the last reader has not taken: they count as unread. */
  #leave(queue: Keys): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      this.#queues.delete(queue);
      this.#finished.delete(queue);
      const isLast = this.#queues.size === 0 && this.#finished.size === 0;
      let rest = "";
      for (;;) {
        // First the keys in the queue, then those that waited for a place in it.
        const inputs = yield* Effect.orElseSucceed(Queue.clear(queue), () => []);
        if (inputs.length === 0) break;
        for (const input of inputs) rest += this.#sequences.get(input) ?? "";
      }
      yield* Queue.end(queue);
      if (!isLast) return;
      this.#input.text = rest + this.#parser.partial + this.#input.text;
      this.#parser.partial = "";
    });
  }

  /** Ends the keys of all current readers. */
  #finish(): void {
    for (const queue of this.#queues) {
      Queue.endUnsafe(queue);
      this.#finished.add(queue);
    }
    this.#queues.clear();
  }

  /** Hands out keys until the end of the input. */
  run(): Effect.Effect<void> {
    const end = Effect.sync(() => {
      this.#hasEnded = true;
      this.#finish();
    });
    const step: Effect.Effect<void, HandleFailure> = Effect.suspend(() => {
      if (this.#queues.size === 0) return Effect.andThen(this.#joined, step);
      const press = this.#parser.next(this.#input);
      if (press !== undefined) return this.#give(press, step);
      // At the end of the input a lone escape is a key as well, once its timeout has passed.
      const read = Effect.flatMap(this.#input.more(), (more) =>
        more
          ? Effect.void
          : this.#parser.partial === ESCAPE
            ? this.#parser.arrival()
            : Effect.fail("ended" as const),
      );
      return Effect.matchEffect(Effect.raceFirst(read, this.#parser.arrival()), {
        onSuccess: () => step,
        onFailure: () => Effect.void,
      });
    });
    return Effect.andThen(Effect.ignore(step), end);
  }

  #give(
    { input, sequence }: Press,
    next: Effect.Effect<void, HandleFailure>,
  ): Effect.Effect<void, HandleFailure> {
    this.#sequences.set(input, sequence);
    return Effect.flatMap(
      Effect.forEach([...this.#queues], (queue) => Queue.offer(queue, input)),
      (taken) => {
        // All readers have left meanwhile.
        if (!taken.includes(true)) this.#input.text = sequence + this.#input.text;
        if (isQuit(input)) this.#finish();
        return next;
      },
    );
  }
}

const ESCAPE = "\x1b";

/** Keys for readers, in raw mode, until the scope closes. */
export const readKeys = Effect.fnUntraced(function* (
  input: TerminalInput,
): Effect.fn.Return<Readers, never, Scope.Scope> {
  yield* rawMode(input.fd);
  const readers = new Readers(input);
  yield* Effect.forkScoped(readers.run());
  return readers;
});
