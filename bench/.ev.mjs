import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { mock } from "@rsyscall/mock";

for (let i = 0; i < 6; i++) {
  const t = performance.now();
  const m = await mock({ path: "everything" });
  const u = performance.now();
  await m.close();
  console.log((u - t).toFixed(1), (performance.now() - u).toFixed(1));
}
console.log(readdirSync(tmpdir()).filter((n) => n.startsWith("rsyscall-mock-" + process.pid)));
process.on("exit", () =>
  console.log(readdirSync(tmpdir()).filter((n) => n.startsWith("rsyscall-mock-" + process.pid))),
);
