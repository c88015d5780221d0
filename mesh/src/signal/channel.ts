import { type InboundMessage, Keypair, type Router } from "sidewire";
import type { Pair } from "../pair.js";

/** Opens an address on the connections that all peers share. */
export type OpenAddress = (
  identity: Keypair,
  options: { accept: (from: string) => boolean; onMessage: (message: InboundMessage) => void },
) => Router;

/**
 * What two hosts tell each other over the brokers: each listens at an address that only the two know, for the other
 * alone. Announces carry their own order, so one that is sent takes the place of one that is still on its way.
 */
export class Channel {
  readonly #router: Router;
  readonly #to: string;
  #sending: AbortController | undefined;

  constructor(pair: Pair, openAddress: OpenAddress, onAnnounce: (bytes: Uint8Array) => void) {
    this.#to = Buffer.from(pair.remoteAddress).toString("hex");
    this.#router = openAddress(Keypair.fromSecretKey(pair.secretKey), {
      accept: (from) => from === this.#to,
      onMessage: ({ data }) => onAnnounce(data),
    });
    // It goes on trying when no broker answers.
    this.#router.start().catch(() => {});
  }

  /** @returns whether the peer has acknowledged it */
  async send(bytes: Uint8Array): Promise<boolean> {
    this.#sending?.abort();
    const sending = new AbortController();
    this.#sending = sending;
    try {
      const pipe = await this.#router.pipe(this.#to, { useCache: true, signal: sending.signal });
      return (await pipe.send(bytes, { signal: sending.signal })) > 0;
    } catch {
      // No broker, or replaced by a later one. The path machine asks again in its time.
      return false;
    }
  }

  /** Sends something that takes the place of nothing else. @returns whether the peer has acknowledged it */
  async post(bytes: Uint8Array): Promise<boolean> {
    try {
      const pipe = await this.#router.pipe(this.#to, { useCache: true });
      return (await pipe.send(bytes)) > 0;
    } catch {
      // No broker, or closed.
      return false;
    }
  }

  async close(): Promise<void> {
    this.#sending?.abort();
    await this.#router.close({ signal: AbortSignal.abort() });
  }
}
