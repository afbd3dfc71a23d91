export {
  type Behaviour,
  check,
  type Need,
  NonconformanceError,
  reasonToSkip,
} from "./Behaviour.ts";
export { behaviours } from "./behaviours.ts";
export { describeTransport } from "./describeTransport.ts";
export { type Lacks, Subject, type TransportUnderTest } from "./Transport.ts";
