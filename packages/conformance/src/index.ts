export { describeTransport } from "./describeTransport.ts";
export * from "./withoutVitest.ts";
