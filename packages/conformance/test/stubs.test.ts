import { describeTransport } from "../src/index.ts";
import { forkOfStub, stub } from "./transports.ts";

describeTransport("a stub, through shared memory", stub);
describeTransport("a fork of a stub", forkOfStub);
