import { type InboundMessage, Keypair, type Router } from "sidewire";
import type { Pair } from "../pair.js";

/** Opens an address on the connections that all peers share. */
export type OpenAddress = (
  identity: Keypair,
  options: { accept: (from: string) => boolean; onMessage: (message: InboundMessage) => void },
) => Router;

/**
 * The messages of two hosts over the brokers. Each host listens at an address that only these two hosts know, and
 * accepts only the other host. Announces have an order of their own, so a new announce replaces one that is still on
 * its way.
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
    // The router goes on trying when no broker answers.
    this.#router.start().catch(() => {});
  }

  /** Sends an announce. @returns whether the peer has acknowledged it */
  async send(bytes: Uint8Array): Promise<boolean> {
    this.#sending?.abort();
    const sending = new AbortController();
    this.#sending = sending;
    try {
      const pipe = await this.#router.pipe(this.#to, { useCache: true, signal: sending.signal });
      return (await pipe.send(bytes, { signal: sending.signal })) > 0;
    } catch {
      // No broker answered, or a later announce replaced this one. The path machine asks again at its own time.
      return false;
    }
  }

  /** Sends a message that does not replace another one. @returns whether the peer has acknowledged it */
  async post(bytes: Uint8Array): Promise<boolean> {
    try {
      const pipe = await this.#router.pipe(this.#to, { useCache: true });
      return (await pipe.send(bytes)) > 0;
    } catch {
      // No broker answered, or the channel was closed.
      return false;
    }
  }

  async close(): Promise<void> {
    this.#sending?.abort();
    await this.#router.close({ signal: AbortSignal.abort() });
  }
}
