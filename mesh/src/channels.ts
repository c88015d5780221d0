import { type Pair, pairOf } from "./pair.js";
import type { Channel } from "./signal/channel.js";
import { parseKey } from "./wireguard-key.js";

/** What channels are opened with. */
export interface ChannelsMeans {
  /** The own private key. */
  readonly privateKey: () => Uint8Array | undefined;
  readonly open: (pair: Pair, onHeard: (bytes: Uint8Array) => void) => Channel;
  readonly onHeard: (publicKey: string, bytes: Uint8Array) => void;
  readonly onError: (error: unknown) => void;
}

/** What leads to each host over the brokers, by its public key, base64: to peers, and to hosts that are none yet. */
export class Channels {
  readonly #means: ChannelsMeans;
  readonly #channels = new Map<string, Channel>();
  /** Hosts that are listened to, whether or not they are peers. */
  #heard: ReadonlySet<string> = new Set();
  /** Keys with which nothing can be shared. */
  readonly #refused = new Set<string>();
  #isClosed = false;

  constructor(means: ChannelsMeans) {
    this.#means = means;
  }

  /** What is shared with a host; undefined when nothing can be, which is told once. */
  pairWith(publicKey: string): Pair | undefined {
    const privateKey = this.#means.privateKey();
    if (privateKey === undefined || this.#refused.has(publicKey)) return undefined;
    try {
      return pairOf(privateKey, parseKey(publicKey));
    } catch (error) {
      this.#refused.add(publicKey);
      this.#means.onError(error);
      return undefined;
    }
  }

  /** The channel to a host, opened when there is none; undefined when nothing can be shared with it. */
  to(publicKey: string): Channel | undefined {
    const there = this.#channels.get(publicKey);
    if (there !== undefined || this.#isClosed) return there;
    const pair = this.pairWith(publicKey);
    if (pair === undefined) return undefined;
    const channel = this.#means.open(pair, (bytes) => this.#means.onHeard(publicKey, bytes));
    this.#channels.set(publicKey, channel);
    return channel;
  }

  /**
   * Listens to these hosts, whether or not they are peers.
   * @param isKept - of a host that was listened to until now: whether its channel stays, since it is a peer, or is to be
   * one. An address that is just being closed cannot be opened
   */
  listen(publicKeys: readonly string[], isKept: (publicKey: string) => boolean): void {
    const before = this.#heard;
    this.#heard = new Set(publicKeys);
    for (const one of before) if (!isKept(one)) this.end(one);
    for (const one of publicKeys) this.to(one);
  }

  /** Ends one, unless its host is still to be listened to. */
  end(publicKey: string): void {
    if (this.#heard.has(publicKey)) return;
    void this.#channels.get(publicKey)?.close();
    this.#channels.delete(publicKey);
  }

  /** Ends all that there are. Resolves when nothing listens any more; new ones can be opened. */
  async endAll(): Promise<void> {
    const all = [...this.#channels.values()];
    this.#channels.clear();
    this.#refused.clear();
    await Promise.all(all.map((channel) => channel.close()));
  }

  /** No more are opened. Those that are open end with the connections that they are over. */
  close(): void {
    this.#isClosed = true;
  }
}
