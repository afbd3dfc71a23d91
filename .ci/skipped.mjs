/* Prints the skipped tests of vitest's JSON report, those of a reason in one line. */
import { readFileSync } from "node:fs";

const [report, node] = process.argv.slice(2);
const { testResults } = JSON.parse(readFileSync(report, "utf8"));
const reasons = new Map();
for (const { assertionResults } of testResults)
  for (const { fullName, status } of assertionResults) {
    if (status !== "skipped" && status !== "pending" && status !== "todo") continue;
    const reason = /\(skipped: (.*?)\)/.exec(fullName)?.[1] ?? "no reason in its name";
    reasons.set(reason, [...(reasons.get(reason) ?? []), fullName]);
  }
for (const [reason, names] of reasons) {
  const example = names[0].replace(/ ?\(skipped: .*?\)/, "");
  console.log(
    `${names.length} tests on Node ${node}: ${reason} (${example}${names.length > 1 ? ", ..." : ""})`,
  );
}
