/* A script mails a report; sendmail is a mock, which says that the mailbox is full. */
import { execFileSync } from "node:child_process";
import { mock } from "@rsyscall/mock";

await using m = await mock();
m.sendmail("-t").once().reply({ stderr: "mailbox full\n", status: 75 });

const script =
  "echo 'Subject: report' | sendmail -t ops@example.com || echo the script saw status $?";
const output = execFileSync("sh", ["-c", script], { env: m.env, encoding: "utf8" });

console.log(output.trimEnd());
for (const { argv, pid } of m.sendmail.calls)
  console.log(`process ${pid} called ${argv.join(" ")}`);
console.log("sendmail was called once, as the rule says");
