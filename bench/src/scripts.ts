import { writeFileSync } from "node:fs";

const texts = {
  sh: "#!/bin/sh\necho answer\nexit 0\n",
  bash: "#!/bin/bash\necho answer\nexit 0\n",
  python: '#!/usr/bin/env python3\nimport sys\nprint("answer")\nsys.exit(0)\n',
  node: '#!/usr/bin/env node\nconsole.log("answer");\nprocess.exit(0);\n',
};

/** Places scripts that print a line and exit, as one writes them to stand in for a program; gives their paths. */
export const placeScripts = (directory: string): Record<keyof typeof texts, string> => {
  const place = (name: keyof typeof texts) => {
    const path = `${directory}/${name}-mock`;
    writeFileSync(path, texts[name], { mode: 0o755 });
    return path;
  };
  return { sh: place("sh"), bash: place("bash"), python: place("python"), node: place("node") };
};
