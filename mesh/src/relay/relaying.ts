import { setTimeout as delay } from "node:timers/promises";
import type { Endpoint } from "../ip/endpoint.js";
import { FAREWELL_MS } from "./limits.js";
import { decodeRelayMessage } from "./message.js";
import { RelayClient, type RelayClientMeans } from "./relay-client.js";
import { RelayServer, type RelayServerMeans } from "./relay-server.js";

/** Being relayed, and relaying for others: what comes from the peers is given to the one or the other. */
export class Relaying {
  readonly client: RelayClient;
  readonly server: RelayServer;

  constructor(means: RelayClientMeans & RelayServerMeans) {
    this.client = new RelayClient(means);
    this.server = new RelayServer(means);
  }

  /**
   * Something that a peer told on a path.
   * @param remote - where it came from
   * @param local - what it came to
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

  /** The network lets other hosts relay than before. */
  changed(): void {
    this.client.changed();
    this.server.changed();
  }

  peerChanged(peer: string): void {
    this.client.peerChanged(peer);
    this.server.peerChanged(peer);
  }

  /** Gives everything up. Resolves when everybody knows, or after a short while. */
  async close(): Promise<void> {
    const all = Promise.all([this.client.close(), this.server.close()]);
    const over = new AbortController();
    const patience = delay(FAREWELL_MS, undefined, { signal: over.signal }).catch(() => {});
    await Promise.race([all, patience]);
    over.abort();
  }
}
