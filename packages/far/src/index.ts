export { AddressSpace } from "./AddressSpace.ts";
export { NamespaceMismatchError } from "./errors.ts";
export { FdTable } from "./FdTable.ts";
export {
  makeNamespaces,
  Namespace,
  type NamespaceKind,
  type Namespaces,
  namespaceKinds,
} from "./Namespace.ts";
export type { Task } from "./Task.ts";
