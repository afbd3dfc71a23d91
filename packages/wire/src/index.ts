export * from "./child.ts";
export * from "./frames.ts";
export * from "./hello.ts";
export * from "./process.ts";
export * from "./requests.ts";
export * from "./ring.ts";
export * from "./welcome.ts";
