/** Callbacks for the normal end of the process or worker thread. */
const first = new Set<() => void>();
const last = new Set<() => void>();
let isListening = false;

const listen = (): void => {
  if (isListening) return;
  isListening = true;
  process.on("exit", () => {
    for (const finish of [...first, ...last]) finish();
  });
};

/** Runs `finish`, which reports held events, before the callbacks of `atExit`. Returns a function that removes it. */
export const beforeExit = (finish: () => void): (() => void) => {
  listen();
  first.add(finish);
  return () => void first.delete(finish);
};

/** Runs `finish`, which writes the remaining text, at the end. Returns a function that removes it. */
export const atExit = (finish: () => void): (() => void) => {
  listen();
  last.add(finish);
  return () => void last.delete(finish);
};
