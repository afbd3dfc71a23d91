import { oneLine } from "@rsyscall/near";
/** The kinds of namespaces that the kernel numbers, as `/proc/self/ns` names them. */
export const namespaceKinds = [
  "cgroup",
  "ipc",
  "mnt",
  "net",
  "pid",
  "time",
  "user",
  "uts",
] as const;

/**
 * A kind of namespace, as `/proc/PID/ns` names it. See
 * [namespaces(7)](https://man7.org/linux/man-pages/man7/namespaces.7.html).
 */
export type NamespaceKind = (typeof namespaceKinds)[number];

/**
 * A kernel namespace. Its id is the inode number in nsfs, unique on one host while the namespace
 * lives; without /proc it is unknown, and then the namespace is only ever the same as itself.
 */
export class Namespace<K extends NamespaceKind = NamespaceKind> {
  /** Which kind of namespace it is, as in `/proc/PID/ns`. */
  readonly kind: K;
  /** The inode number that the kernel shows in `/proc/PID/ns`; undefined if it is not known. */
  readonly id: bigint | undefined;

  constructor(kind: K, id?: bigint) {
    this.kind = kind;
    this.id = id;
  }

  /** Whether both are certainly the same namespace. */
  is(other: Namespace): boolean {
    return (
      this === other || (this.id !== undefined && this.kind === other.kind && this.id === other.id)
    );
  }
}

oneLine(Namespace, ({ kind, id }) => `${kind} ${id ?? "unknown"}`);

/** Which namespace of each kind a task is in. */
export type Namespaces = { readonly [K in NamespaceKind]: Namespace<K> };

/** Namespaces from their ids. A namespace without an id is unknown. */
export const makeNamespaces = (ids: Partial<Record<NamespaceKind, bigint>>): Namespaces => ({
  cgroup: new Namespace("cgroup", ids.cgroup),
  ipc: new Namespace("ipc", ids.ipc),
  mnt: new Namespace("mnt", ids.mnt),
  net: new Namespace("net", ids.net),
  pid: new Namespace("pid", ids.pid),
  time: new Namespace("time", ids.time),
  user: new Namespace("user", ids.user),
  uts: new Namespace("uts", ids.uts),
});
