/* All but describeTransport: for programs and other test runners. */
export {
  type Behaviour,
  check,
  type Need,
  NonconformanceError,
  reasonToSkip,
} from "./Behaviour.ts";
export { behaviours } from "./behaviours.ts";
export { canary } from "./canary.ts";
export { type Lacks, Subject, type TransportUnderTest } from "./Transport.ts";
