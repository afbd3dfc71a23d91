import { suite } from "./suite.ts";

suite("worker 3");
