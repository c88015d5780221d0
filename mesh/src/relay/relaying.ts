import { setTimeout as delay } from "node:timers/promises";
import type { Endpoint } from "../ip/endpoint.js";
import { FAREWELL_MS } from "./limits.js";
import { decodeRelayMessage } from "./message.js";
import { RelayClient, type RelayClientMeans } from "./relay-client.js";
import { RelayServer, type RelayServerMeans } from "./relay-server.js";

/** Both sides of relaying: using relays, and relaying for others. Messages of peers are passed to the right side. */
export class Relaying {
  readonly client: RelayClient;
  readonly server: RelayServer;

  constructor(means: RelayClientMeans & RelayServerMeans) {
    this.client = new RelayClient(means);
    this.server = new RelayServer(means);
  }

  /**
   * Handles a message that a peer sent on a path.
   * @param remote - the source of the message
   * @param local - the socket or place that it came to
   */
  hear(peer: string, bytes: Uint8Array, remote: Endpoint, local: string | undefined): void {
    const message = decodeRelayMessage(bytes);
    switch (message?.type) {
      case "request":
        void this.server.request(peer, message.peer);
        break;
      case "bind":
        this.server.bind(peer, message.id, remote, local);
        break;
      case "allocated":
        void this.client.allocated(peer, message);
        break;
      case "refused":
        this.client.refused(peer, message);
        break;
      case "released":
        this.client.released(peer, message.peer, message.id);
        this.server.release(peer, message.peer, message.id);
        break;
      default:
    }
  }

  /** Must be called when the network lets other hosts relay than before. */
  changed(): void {
    this.client.changed();
    this.server.changed();
  }

  peerChanged(peer: string): void {
    this.client.peerChanged(peer);
    this.server.peerChanged(peer);
  }

  /** Gives up everything. Resolves when everybody knows, or after a short time. */
  async close(): Promise<void> {
    const all = Promise.all([this.client.close(), this.server.close()]);
    const over = new AbortController();
    const patience = delay(FAREWELL_MS, undefined, { signal: over.signal }).catch(() => {});
    await Promise.race([all, patience]);
    over.abort();
  }
}
