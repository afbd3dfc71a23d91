/* npm run docs: builds the documentation into site/dist, and fails if a symbol has no comment or a link is broken. */
import "./setup.mjs";

await import("../site/build.mjs");
