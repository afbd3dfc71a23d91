/** The first version of Node that has what Effect's cluster for Node and its SQL drivers need. */
const REQUIRED = [22, 19] as const;

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < REQUIRED[0] || (major === REQUIRED[0] && minor < REQUIRED[1]))
  throw new Error(
    `@rsyscall/fleet needs Node ${REQUIRED.join(".")} or newer, as Effect's cluster and SQL drivers do; this is Node ` +
      `${process.versions.node}. All other packages of rsyscall work with it: a Thread on one host is an SshTask of ` +
      "@rsyscall/task-ssh.",
  );
