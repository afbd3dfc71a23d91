// A process of its own for a slow link, so that the controller's event loop does not carry the bytes:
//   slowLinkChild.js PORT MILLISECONDS
// Opens a TCP port that leads to PORT, and tells its parent which one; ends when the parent disconnects.
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

const [port, milliseconds] = process.argv.slice(2).map(Number) as [number, number];

/** Passes bytes on after the delay, in their order and without a limit of the rate. */
const delayed = (from: Socket, to: Socket): void => {
  const later = (action: () => void) => void setTimeout(action, milliseconds);
  from.on("data", (bytes) => later(() => to.destroyed || to.write(bytes)));
  from.on("end", () => later(() => to.end()));
  from.on("error", () => to.destroy());
  from.on("close", () => later(() => to.destroy()));
};

const server = createServer({ noDelay: true }, (near) => {
  const far = connect({ port, host: "127.0.0.1", noDelay: true });
  delayed(near, far);
  delayed(far, near);
});
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.on("disconnect", () => process.exit());
