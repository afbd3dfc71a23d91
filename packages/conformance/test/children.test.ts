import { describeTransport } from "../src/index.ts";
import { clone, fork, forkOfFork, local } from "./transports.ts";

describeTransport("the local Thread", local);
describeTransport("a fork", fork);
describeTransport("a clone that shares files", clone);
describeTransport("a fork of a fork", forkOfFork);
