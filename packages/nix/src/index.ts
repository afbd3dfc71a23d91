export { NixError } from "./errors.ts";
export { type CopyOptions, type CopyProgress, type NixFailure, NixStore } from "./NixStore.ts";
