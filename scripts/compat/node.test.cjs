/* Tests of a user of node:test, as CommonJS. */
const { mock } = require("@rsyscall/mock");
require("./nodeTests.cjs")(mock);
