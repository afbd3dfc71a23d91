/* npm start [-- COMMAND ARGS...]: builds what is needed and runs the example. */
import "./setup.mjs";

await import("../examples/dist/sendmail.js");
