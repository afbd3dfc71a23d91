import { defineConfig } from "tsup";

/** The entries are the programs; the other files are their parts. */
export default defineConfig({
  entry: [
    "src/sendmail.ts",
    "src/mock.ts",
    "src/spy.ts",
    "src/gitEditor.ts",
    "src/sandbox.ts",
    "src/passDescriptor.ts",
    "src/networkNamespace.ts",
    "src/twoNetworks.ts",
    "src/recordTerminal.ts",
    "src/remoteFiles.ts",
    "src/agentPolicy.ts",
    "src/ownTransport.ts",
    "src/fleet.ts",
  ],
  format: "esm",
  target: "node20",
  splitting: false,
  clean: true,
});
