/* What an agent may run: each program that it or a child of it wants to execute is decided by a function. */
import { deny, guard, type Policy } from "@rsyscall/watch";
import { Effect } from "effect";
import { LocalThread } from "rsyscall";

const policy: Policy = ({ name, args, line, parent }) => {
  const isPush = name === "git" && args.includes("push");
  const verdict = isPush || name === "curl" ? deny("ask a person first") : "allow";
  const by = parent === undefined ? "this program" : parent.argv[0];
  console.log(`${verdict === "allow" ? "allowed" : "denied "} ${line.slice(0, 50)} (by ${by})`);
  return verdict;
};

/** Stands for an agent: it lists files, and then tries to publish them. */
const agent = "ls / > /dev/null; env -i git push origin || echo 'the agent goes on without a push'";

const program = Effect.gen(function* () {
  const { status, allowed, denied } = yield* guard(yield* LocalThread, {
    command: ["sh", "-c", agent],
    policy,
    tellDenials: false,
  });
  console.log(`status ${status}; ${allowed} allowed, ${denied} denied`);
});
await Effect.runPromise(program.pipe(Effect.provide(LocalThread.layer)));
