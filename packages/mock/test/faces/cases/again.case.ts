import { works } from "./works.ts";

works();
