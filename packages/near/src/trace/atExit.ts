/** What is done when the process, or the worker thread, ends by itself. */
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

/** Events that were not told are, before what takes them ends: see `atExit`. Returns what makes it undone. */
export const beforeExit = (finish: () => void): (() => void) => {
  listen();
  first.add(finish);
  return () => void first.delete(finish);
};

/** Text that was not written is. */
export const atExit = (finish: () => void): (() => void) => {
  listen();
  last.add(finish);
  return () => void last.delete(finish);
};
