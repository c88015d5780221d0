/**
 * Serves the WebRTC example, with brokers of its own:
 *
 *     npm run example:webrtc
 *
 * `PORT` and `ADDRESS` in the environment choose the port and which of this machine's addresses others use.
 */
import { ownAddresses } from "./addresses.js";
import { serveExample } from "./server.js";

const port = Number(process.env.PORT ?? 8080);
const lan = ownAddresses().find(({ internal }) => !internal);
const address = process.env.ADDRESS ?? lan?.address ?? "127.0.0.1";

try {
  const example = await serveExample(address, port);
  process.once("SIGINT", () => void example[Symbol.asyncDispose]());
  console.log("A data channel between two pages that know each other's key alone.\n");
  console.log(`  here             http://localhost:${example.port}/`);
  if (address !== "127.0.0.1") console.log(`  in your network  ${example.url}`);
  console.log(
    `\nBrokers on the ports ${example.brokers.map((broker) => broker.port).join(", ")}. Ctrl-C ends all of it.`,
  );
} catch (error) {
  console.error(String(error));
  process.exitCode = 1;
}
