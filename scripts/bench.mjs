/* npm run bench [-- ARGS...]: builds what is needed and runs the benchmarks. */
import "./setup.mjs";

await import("../bench/dist/main.js");
