/** The first version of Node that has what Effect's cluster for Node and its SQL drivers need. */
const REQUIRED = [22, 19] as const;

/** Fails on an older Node. What begins with a cluster begins with this. */
export const requireNode = (version: string = process.versions.node): void => {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < REQUIRED[0] || (major === REQUIRED[0] && minor < REQUIRED[1]))
    throw new Error(
      `@rsyscall/fleet needs Node ${REQUIRED.join(".")} or newer, as Effect's cluster and SQL drivers do; this is Node ` +
        `${version}. All other packages of rsyscall work with it: a Thread on one host is an SshTask of ` +
        "@rsyscall/task-ssh.",
    );
};
