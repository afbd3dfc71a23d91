// A Node child that sends back each message: the way without these packages.
process.on("message", (message) => process.send?.(message));
