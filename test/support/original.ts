import mqtt from "mqtt";
import { AppPacket, type Identity, Keypair, MessageType } from "../../src/index.js";

/** How often its loop comes round, ms. */
const TICK_MS = 500;

/** A broker, to publish by. */
interface OriginalLink {
  publish(topic: string, payload: Uint8Array): unknown;
}

/** A message that it showed. */
interface OriginalMessage {
  readonly from: string;
  readonly queueId: string;
  readonly sequence: number;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly data: Uint8Array;
}

/** A message or probe that is to be acknowledged, by the brokers that brought it. */
interface Owed {
  readonly packet: AppPacket;
  readonly links: Set<OriginalLink>;
}

/**
 * A receiver that acknowledges as the Python original does, where there is no Python: ACKs leave together, on the next
 * tick of a loop of 0.5 s, and a message of a queue makes it forget the ACKs that it still owes for those before.
 */
export class Original implements AsyncDisposable {
  /** 66 hex characters. */
  readonly address: string;
  /** What it showed, each message once. */
  readonly messages: OriginalMessage[] = [];
  /** How many copies came in, and how many ACKs left. */
  copies = 0;
  answers = 0;
  readonly #identity: Identity;
  readonly #seen = new Set<string>();
  readonly #owed = new Map<string, Owed>();
  readonly #ends: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout>;

  private constructor(address: string, identity: Identity) {
    this.address = address;
    this.#identity = identity;
    this.#timer = setTimeout(() => this.#tick(), TICK_MS);
  }

  /** One with a key of its own. */
  static async start(): Promise<Original> {
    const keys = Keypair.generate();
    return new Original(keys.publicKeyHex, keys);
  }

  /** Resolves once it is subscribed on all of them. */
  async listen(brokers: readonly { readonly host: string; readonly port: number }[]): Promise<void> {
    // Checked one after the other, as they come.
    let checked = Promise.resolve();
    await Promise.all(
      brokers.map(async ({ host, port }) => {
        const client = mqtt.connect({ host, port, reconnectPeriod: 0 });
        const link: OriginalLink = {
          publish: (topic, payload) => client.publish(topic, Buffer.from(payload)),
        };
        this.#ends.push(() => client.end(true));
        client.on("message", (_topic, payload) => {
          checked = checked.then(async () => {
            const packet = await AppPacket.unpack(payload);
            if (packet !== null) this.#take(packet, link);
          });
        });
        await new Promise<void>((resolve, reject) => {
          client.once("connect", () => resolve()).once("error", reject);
        });
        await client.subscribeAsync(this.address, { qos: 1 });
      }),
    );
  }

  /** Takes what a broker delivered. */
  #take(packet: AppPacket, link: OriginalLink): void {
    const { source, queueId, sequence, type, timestamp } = packet;
    if (type === MessageType.Ack) return;
    this.copies++;
    const key = `${source} ${queueId} ${sequence}`;
    if (type === MessageType.Message && !this.#seen.has(key)) {
      this.#seen.add(key);
      this.messages.push({ from: source, queueId, sequence, timestamp, data: packet.message });
    }
    for (const [before, { packet: owed }] of this.#owed) {
      if (owed.source === source && owed.queueId === queueId && owed.sequence < sequence)
        this.#owed.delete(before);
    }
    const owed = this.#owed.get(key) ?? { packet, links: new Set() };
    this.#owed.set(key, owed);
    owed.links.add(link);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    for (const end of this.#ends) end();
  }

  #tick(): void {
    this.#timer = setTimeout(() => this.#tick(), TICK_MS);
    const owed = [...this.#owed.values()];
    this.#owed.clear();
    for (const { packet, links } of owed) void this.#answer(packet, links);
  }

  async #answer({ source, queueId, sequence }: AppPacket, links: Iterable<OriginalLink>): Promise<void> {
    const timestamp = Math.floor(Date.now() / 1000);
    const ack = { queueId, sequence, timestamp, type: MessageType.Ack, message: ACK_TEXT };
    const payload = await AppPacket.pack(ack, this.#identity);
    for (const link of links) link.publish(source, payload);
    this.answers++;
  }
}

const ACK_TEXT: Uint8Array = new TextEncoder().encode("ack");
