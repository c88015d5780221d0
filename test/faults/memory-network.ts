import { BrokerError } from "../../src/base/errors.js";
import type { BrokerLink, LinkOptions, OpenLink } from "../../src/brokers/link.js";
import type { Subscriber } from "../../src/brokers/subscriptions.js";
import type { BrokerPool } from "../../src/wire/broker-pool.js";
// Not from index.ts: that waits for this module, where it takes the place of broker-link.ts.
import { type Identity, Keypair } from "../../src/wire/identity.js";
import { randomOf, seed } from "./random.js";

/** One MQTT session with a broker in memory. */
interface Session {
  readonly options: LinkOptions;
  readonly listening: Set<Subscriber>;
}

/** A broker in memory. */
interface MemoryBroker {
  up: boolean;
  readonly sessions: Set<Session>;
  readonly byTopic: Map<string, Map<Subscriber, Session>>;
}

/** Brokers in memory, in the place of `broker-link.ts`: what takes time is timers alone. */
export class MemoryNetwork {
  readonly #brokers = new Map<string, MemoryBroker>();
  /** Attempts, packets and goodbyes that are under way. */
  pending = 0;
  /** Sessions that are open now. */
  sessions = 0;

  readonly #random = randomOf(seed);

  get hosts(): string[] {
    return [...this.#brokers.keys()];
  }

  get pool(): BrokerPool {
    return { IPv4: Object.fromEntries(this.hosts.map((host) => [host, { port: 1883 }])) };
  }

  /** How many brokers are down. */
  get down(): number {
    return [...this.#brokers.values()].filter(({ up }) => !up).length;
  }

  add(host: string): void {
    this.#brokers.set(host, { up: true, sessions: new Set(), byTopic: new Map() });
  }

  /** Brings a broker up, or down with all its sessions. */
  set(host: string, up: boolean): void {
    const broker = this.#brokers.get(host);
    if (broker === undefined) throw new Error(`no broker ${host}`);
    broker.up = up;
    if (up) return;
    const lost = [...broker.sessions];
    broker.sessions.clear();
    broker.byTopic.clear();
    this.sessions -= lost.length;
    for (const { options } of lost) options.onClose(new BrokerError("lost", "closed by the broker"));
  }

  readonly openLink: OpenLink = (options, signal) =>
    new Promise((resolve, reject) => {
      const broker = this.#brokers.get(options.target.host);
      this.#later(() => {
        if (signal.aborted) reject(new BrokerError("unreachable", "given up"));
        else if (broker?.up !== true) reject(new BrokerError("unreachable", "connection refused"));
        else resolve(this.#open(broker, options));
      });
    });

  #open(broker: MemoryBroker, options: LinkOptions): BrokerLink {
    const { byTopic, sessions } = broker;
    const session: Session = { options, listening: new Set() };
    sessions.add(session);
    this.sessions++;
    const subscribe = (subscriber: Subscriber): void => {
      if (session.listening.has(subscriber)) return;
      const ofTopic = byTopic.get(subscriber.topic) ?? new Map();
      byTopic.set(subscriber.topic, ofTopic.set(subscriber, session));
      session.listening.add(subscriber);
      subscriber.onAnswer(undefined);
    };
    const unsubscribe = (subscriber: Subscriber): void => {
      const ofTopic = byTopic.get(subscriber.topic);
      session.listening.delete(subscriber);
      if (ofTopic?.delete(subscriber) && ofTopic.size === 0) byTopic.delete(subscriber.topic);
    };
    for (const subscriber of options.subscribers()) subscribe(subscriber);
    return {
      publish: (topic, payload) => {
        if (!sessions.has(session)) return false;
        for (const receiver of byTopic.get(topic)?.keys() ?? []) {
          this.#later(() => {
            if (byTopic.get(topic)?.has(receiver)) receiver.onMessage(payload);
          });
        }
        return true;
      },
      heardAt: 0,
      isReceiving: () => false,
      subscribe,
      unsubscribe,
      check: () => {},
      close: async () => {
        if (!sessions.delete(session)) return;
        this.sessions--;
        for (const subscriber of [...session.listening]) unsubscribe(subscriber);
      },
    };
  }

  /** A round trip of its own for each, so that nothing keeps its order by chance. */
  #later(happen: () => void): void {
    this.pending++;
    setTimeout(
      () => {
        this.pending--;
        happen();
      },
      5 + 40 * this.#random(),
    );
  }
}

/** The one of this process: modules that are mocked cannot be told of another. */
export const network: MemoryNetwork = new MemoryNetwork();

/** A key of its own, and a signature that costs nothing and that nobody checks. */
export function cheapIdentity(): Identity {
  const { publicKey } = Keypair.generate();
  const signature = new Uint8Array(64);
  return { publicKey, sign: () => signature };
}
