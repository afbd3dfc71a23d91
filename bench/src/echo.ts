// A Node child that sends back what it is sent: what would do without us.
process.on("message", (message) => process.send?.(message));
