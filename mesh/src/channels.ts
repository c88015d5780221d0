import { type Pair, pairOf } from "./pair.js";
import type { Channel } from "./signal/channel.js";
import { parseKey } from "./wireguard-key.js";

/** What the channels need. */
export interface ChannelsMeans {
  /** Returns the own private key. */
  readonly privateKey: () => Uint8Array | undefined;
  readonly open: (pair: Pair, onHeard: (bytes: Uint8Array) => void) => Channel;
  readonly onHeard: (publicKey: string, bytes: Uint8Array) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * The channels to other hosts over the brokers, by the host's public key in base64. The hosts are peers, or hosts that
 * are not peers yet.
 */
export class Channels {
  readonly #means: ChannelsMeans;
  readonly #channels = new Map<string, Channel>();
  /** Hosts whose channels stay open, whether or not they are peers. */
  #heard: ReadonlySet<string> = new Set();
  /** Keys that cannot share a secret with the own key. */
  readonly #refused = new Set<string>();
  #isClosed = false;

  constructor(means: ChannelsMeans) {
    this.#means = means;
  }

  /** The secrets shared with a host; undefined when there can be none, which is reported once. */
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

  /**
   * The channel to a host. Opens the channel if there is none. Returns undefined when no secret can be shared with the
   * host.
   */
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
   * @param isKept - decides for each host of the previous list whether its channel stays open, because the host is or
   * becomes a peer. An address that is being closed cannot be opened at the same time
   */
  listen(publicKeys: readonly string[], isKept: (publicKey: string) => boolean): void {
    const before = this.#heard;
    this.#heard = new Set(publicKeys);
    for (const one of before) if (!isKept(one)) this.end(one);
    for (const one of publicKeys) this.to(one);
  }

  /** Ends a channel, unless this host still listens to its host. */
  end(publicKey: string): void {
    if (this.#heard.has(publicKey)) return;
    void this.#channels.get(publicKey)?.close();
    this.#channels.delete(publicKey);
  }

  /** Ends all channels. Resolves when none of them listens any more. New channels can be opened afterwards. */
  async endAll(): Promise<void> {
    const all = [...this.#channels.values()];
    this.#channels.clear();
    this.#refused.clear();
    await Promise.all(all.map((channel) => channel.close()));
  }

  /** Forbids new channels. Open channels end together with the connections below them. */
  close(): void {
    this.#isClosed = true;
  }
}
