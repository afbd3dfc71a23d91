import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Effect } from "effect";
import { assert, describe } from "vitest";
import { execute, it, missing, noFleet, tempDirectory } from "./harness/index.ts";

/** Each program of examples/, and what it prints. */
const programs: Readonly<Record<string, ReadonlyArray<RegExp>>> = {
  mock: [/^the script saw status 75$/m, /^process \d+ called sendmail -t ops@example\.com$/m],
  spy: [
    /^sort -r read "pear\\napple\\n"$/m,
    /^and wrote "pear\\napple\\n", and ended with status 0$/m,
  ],
  gitEditor: [
    /^git called editor COMMIT_EDITMSG$/m,
    /\(root-commit\) .*\] Written by a function$/m,
  ],
  sandbox: [/^process 1, user 0, on sandbox$/m, /^only the sandbox sees this file$/m],
  passDescriptor: [/ got a memfd$/m, / finds: from the first process; from the second$/m],
  networkNamespace: [
    /^hello from process \d+, by a socket of process \d+$/m,
    /^the client exited/m,
  ],
  twoNetworks: [/^10\.0\.0\.2 heard from 10\.0\.0\.1: hello over the cable$/m],
  recordTerminal: [
    /^\[[\d.]+,"o","24 80\\r\\n/m,
    /done\\r\\n"\]$/m,
    /^the program exited with status 0$/m,
  ],
  remoteFiles: [/^in process \d+ of this host/m, /^the directory has note, of 18 bytes$/m],
  agentPolicy: [/^denied {2}git push origin \(by sh\)$/m, /^the agent goes on without a push$/m],
  fleet: [/^web3 runs Linux$/m, /^upgrade of web1: done$/m, /^upgrade of web3: done$/m],
  ownTransport: [/^process \d+ is ours, and its nice value is \d+$/m],
};

/** Why a program cannot run here. */
const needs: Readonly<Record<string, string | undefined>> = {
  fleet: noFleet,
  gitEditor: missing("git"),
};

const folder = fileURLToPath(new URL("../examples", import.meta.url));

describe("examples", () => {
  for (const [name, lines] of Object.entries(programs))
    it.skipIf(needs[name])(`${name} prints what it does`, function* () {
      const directory = yield* tempDirectory;
      const { status, stdout, stderr } = yield* execute(
        process.execPath,
        [`${folder}/dist/${name}.js`],
        { env: { ...process.env, TMPDIR: directory }, timeout: 20_000 },
      );
      const printed = `${stdout}${stderr}`;
      assert.equal(status, 0, printed);
      for (const line of lines) assert.match(stdout.toString(), line);
      assert.deepEqual(readdirSync(directory), [], "what it left behind");
    });

  it("are all run", function* () {
    const parts = [
      "callers",
      "printCall",
      "runMain",
      "runProgram",
      "sendmail",
      "temporaryDirectory",
    ];
    const names = readdirSync(`${folder}/src`).map((file) => file.replace(/\.ts$/, ""));
    assert.sameMembers(names, [...Object.keys(programs), ...parts]);
    yield* Effect.void;
  });
});
