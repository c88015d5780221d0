import { once } from "node:events";
import { createConnection } from "node:net";
import { join } from "node:path";
import { WIREGUARD_SOCKETS } from "../lab/names.js";

/** When the last handshake of an interface's only peer was, Unix ms: `wg` tells whole seconds alone. */
export async function handshakeAt(name: string): Promise<number | undefined> {
  const socket = createConnection(join(WIREGUARD_SOCKETS, `${name}.sock`));
  let said = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    if (said.endsWith("\n\n")) socket.end();
  });
  socket.write("get=1\n\n");
  await once(socket, "close");
  const [, seconds = "0"] = /^last_handshake_time_sec=(\d+)$/m.exec(said) ?? [];
  const [, nanoseconds = "0"] = /^last_handshake_time_nsec=(\d+)$/m.exec(said) ?? [];
  return seconds === "0" ? undefined : Number(seconds) * 1000 + Number(nanoseconds) / 1e6;
}
