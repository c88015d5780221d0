import { BoundedMap } from "../base/bounded-map.js";
import { inOwnTurn } from "../base/next-task.js";
import { Patience } from "../base/patience.js";
import { Tally } from "../base/tally.js";
import { LONG_BYTES } from "../brokers/line-speed.js";
import { Outbox } from "../sending/outbox.js";
import type { Identity } from "../wire/identity.js";
import type { AppPacket } from "../wire/packet.js";
import { tryToOpen } from "../wire/seal.js";

/**
 * The maximum number of sealed messages that are opened at once, the maximum for one peer, and the time limit in ms.
 * The limits are needed because the key may be in an agent or a token.
 */
const MAX_OPENING = 256;
const MAX_OPENING_OF_EACH = 64;
const OPENING_PATIENCE_MS = 5000;

/**
 * The number of messages that are remembered because they do not open. A stranger may send the same one again and
 * again.
 */
const KEPT_UNOPENED = 1024;

type Opened = Uint8Array | "not-opened" | "full";

export interface OpenerOptions {
  readonly address: string;
  readonly identity: Identity;
  /** Called when the identity did not answer in time. */
  readonly onFailed: (error: Error) => void;
}

/**
 * Opens sealed messages. A message is opened only once, even if copies come meanwhile. A message that does not open is
 * not tried again.
 */
export class Opener {
  readonly #options: OpenerOptions;
  readonly #opening = new Map<string, Promise<Opened>>();
  readonly #openingOf = new Tally<string>();
  readonly #unopened = new BoundedMap<string, true>(KEPT_UNOPENED);

  readonly #patience = new Patience(OPENING_PATIENCE_MS);

  constructor(options: OpenerOptions) {
    this.#options = options;
  }

  /** Ends the waits for messages that are being opened. */
  close(): void {
    this.#patience.close();
  }

  /** @returns the message; "full" when too many messages are being opened or the identity does not answer */
  async open(packet: AppPacket): Promise<Opened> {
    const key = Outbox.keyOf(packet.source, packet.queueId, packet.sequence);
    if (this.#unopened.has(key)) return "not-opened";
    const opening = this.#opening.get(key);
    if (opening !== undefined) return await opening;
    const { source } = packet;
    if (this.#opening.size >= MAX_OPENING || this.#openingOf.of(source) >= MAX_OPENING_OF_EACH) return "full";
    const opened = this.#open(packet, key).finally(() => {
      this.#opening.delete(key);
      this.#openingOf.add(source, -1);
    });
    this.#opening.set(key, opened);
    this.#openingOf.add(source, 1);
    return await opened;
  }

  async #open(packet: AppPacket, key: string): Promise<Opened> {
    const { address, identity, onFailed } = this.#options;
    const open = (): ReturnType<typeof tryToOpen> =>
      tryToOpen(packet.message, { ...packet, destination: address }, identity);
    const opened = packet.message.length < LONG_BYTES ? open() : inOwnTurn(open);
    const result = await this.#patience.wait(opened);
    if (result === undefined) {
      onFailed(this.#patience.error());
      return "full";
    }
    if (result.value === "never") this.#unopened.set(key, true);
    return typeof result.value === "object" ? result.value : "not-opened";
  }
}
