import { describeTransport } from "../src/index.ts";
import { socketStub } from "./transports.ts";

describeTransport("a stub, over sockets", socketStub);
