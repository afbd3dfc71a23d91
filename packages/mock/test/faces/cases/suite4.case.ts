import { suite } from "./suite.ts";

suite("worker 4");
