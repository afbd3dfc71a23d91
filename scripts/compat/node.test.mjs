/* Tests of a user of node:test, as an ES module. */
import { mock } from "@rsyscall/mock";
import nodeTests from "./nodeTests.cjs";

nodeTests(mock);
