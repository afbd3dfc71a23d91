/* A program of a user: mocks git. */
import { execFileSync } from "node:child_process";
import { mock } from "@rsyscall/mock";

const m = await mock();
m.git("push").once().reply("pushed\n");
console.log(`mocked: ${execFileSync("git", ["push"], { env: m.env, encoding: "utf8" })}`);
await m.close();
