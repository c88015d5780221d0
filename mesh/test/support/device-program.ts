/**
 * Opens a device and changes what it can, in a process that can be killed. Arguments: interface, folder, and the
 * endpoint of its first peer, or "adopt" to change nothing. Closes the device when its standard input says so.
 */
import { join } from "node:path";
import { Device } from "../../src/device/device.js";
import { parseEndpoint } from "../../src/ip/endpoint.js";

const [name = "", folder = "", to = ""] = process.argv.slice(2);
const device = await Device.open(name, {
  stateFolder: join(folder, "killed-state"),
  lockFolder: join(folder, "killed-locks"),
});
const [peer] = device.state.peers;
const endpoint = parseEndpoint(to);
if (peer !== undefined && endpoint !== undefined) {
  console.log("begins");
  await device.installTable(51_990);
  await device.use(peer.publicKey, endpoint, { isFresh: true });
  await device.use(peer.publicKey, endpoint, { isFresh: false });
}
console.log("ready");
process.stdin.once("data", async () => {
  await device.close();
  console.log("closed");
  process.exit();
});
