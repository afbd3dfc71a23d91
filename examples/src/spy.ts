/* The real sort does its work, in a pipeline of a shell, and all that it reads and writes is recorded. */
import { execFileSync } from "node:child_process";
import { mock, spy } from "@rsyscall/mock";

await using m = await mock();
m.sort.reply(spy);

const sorted = execFileSync("sh", ["-c", "printf 'pear\\napple\\n' | sort -r"], { env: m.env });

console.log(`the shell printed: ${JSON.stringify(sorted.toString())}`);
const [call] = m.sort.calls;
const text = (bytes: Uint8Array | undefined) => JSON.stringify(Buffer.from(bytes ?? []).toString());
console.log(`${call?.argv.join(" ")} read ${text(call?.stdin)}`);
console.log(`and wrote ${text(call?.stdout)}, and ended with status ${call?.status}`);
