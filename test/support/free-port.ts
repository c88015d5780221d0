import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** A port that is free on an address now. */
export async function freePort(host: string): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, "listening");
  // A TCP server's address is an AddressInfo once it is listening.
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
