export { Allocation, Allocator, type AllocatorOptions } from "./Allocator.ts";
export { OutOfSpaceError } from "./errors.ts";
export { FreeList } from "./FreeList.ts";
export type { MemoryTransport } from "./MemoryTransport.ts";
