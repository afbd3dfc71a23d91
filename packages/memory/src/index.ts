export { Allocation, Allocator, type AllocatorOptions } from "./Allocator.ts";
export { OutOfSpaceError } from "./errors.ts";
export { FreeList } from "./FreeList.ts";
export { Mappings, type Reserve } from "./Mappings.ts";
export type { MemoryTransport } from "./MemoryTransport.ts";
export { type Stack, StackPool } from "./StackPool.ts";
