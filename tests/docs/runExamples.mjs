/*
 * node runExamples.mjs RESULTS FILE...: runs programs one after the other in this process, so that what they import is
 * loaded once. Each has the event loop until nothing is left in it, where it would end in a process of its own.
 * RESULTS gets an array of JSON: for each program what went wrong, or null.
 */
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";

const [, , results, ...files] = process.argv;
const problems = [];
let loaded = true;

/** Keeps the first problem of the program that runs. */
const failed = (problem) => {
  problems[problems.length - 1] ??= problem;
};

const conclude = () => {
  if (!loaded) failed("it awaits what never comes");
  if (Number(process.exitCode ?? 0) !== 0) failed(`it ended with status ${process.exitCode}`);
  process.exitCode = undefined;
};

process.on("uncaughtException", (error) => failed(inspect(error)));

// The loop is empty. An import alone gives it no work where Node loads modules at once.
process.on("beforeExit", () => {
  conclude();
  const file = files[problems.length];
  if (file === undefined) return;
  problems.push(null);
  loaded = false;
  setImmediate(() => {
    import(pathToFileURL(file).href)
      .catch((error) => failed(inspect(error)))
      .finally(() => {
        loaded = true;
      });
  });
});

// Also where a program has called process.exit: those behind it have no result.
process.on("exit", () => {
  conclude();
  writeFileSync(results, JSON.stringify(problems));
});
