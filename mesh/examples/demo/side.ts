import { connect } from "node:net";
import { join } from "node:path";
import type { Host, Lab } from "../../lab/index.js";
import { WIREGUARD_SOCKETS } from "../../lab/names.js";
import { CommandedHost } from "./commanded-host.js";

/** One of the two hosts that know each other's key, and the command on it. */
export class Side extends CommandedHost {
  /** base64. */
  readonly publicKey: string;
  /** In the overlay. */
  readonly address: string;
  readonly #servers: readonly string[];

  constructor(lab: Lab, host: Host, command: string, publicKey: string, address: string) {
    super(lab, host, command);
    this.publicKey = publicKey;
    this.address = address;
    this.#servers = ["--brokers", lab.brokersFile, "--stun", lab.stun.join(",")];
  }

  /** Begins to look after the interface: `sidewire-mesh up`. */
  up(): void {
    this.start(["up", this.host.interface, ...this.#servers]);
  }

  /** When WireGuard last completed a handshake, Unix ms. `wg` shows whole seconds, wireguard-go knows it better. */
  async handshakeAt(): Promise<number | undefined> {
    const socket = connect(join(WIREGUARD_SOCKETS, `${this.host.interface}.sock`));
    // It answers until we are gone.
    socket.write("get=1\n\n");
    let answer = "";
    for await (const chunk of socket) {
      answer += chunk;
      if (answer.endsWith("\n\n")) break;
    }
    const [seconds = 0, nanoseconds = 0] = ["sec", "nsec"].map((unit) =>
      Number(new RegExp(`^last_handshake_time_${unit}=(\\d+)$`, "m").exec(answer)?.[1] ?? 0),
    );
    return seconds === 0 ? undefined : seconds * 1000 + nanoseconds / 1e6;
  }
}
