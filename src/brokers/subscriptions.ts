import { BoundedMap } from "../base/bounded-map.js";
import { BrokerError } from "../base/errors.js";
import type { Topics } from "./guard.js";
import { MAX_TOPICS } from "./mqtt-packets.js";

/** Who listens on a topic: one address, at one broker. */
export interface Subscriber {
  readonly topic: string;
  /** The longest payload that is of use. */
  readonly maxPayloadBytes: number;
  /** Called with every publish on the topic. */
  onMessage(payload: Uint8Array): void;
  /** Called for a publish that was longer than {@link maxPayloadBytes}, and not kept. */
  onTooLarge(): void;
  /** Called with the broker's answer to the subscription: why not, if it was not granted. */
  onAnswer(error: BrokerError | undefined): void;
}

/** One packet's worth of changes. */
export interface Change {
  readonly type: "subscribe" | "unsubscribe";
  readonly topics: readonly string[];
}

/** What there is about one topic. */
interface Entry {
  /** Who wants it now. */
  subscriber: Subscriber | undefined;
  /** What the broker knows of it: nothing, that it is asked for, that it is to be sent here as asked, or otherwise. */
  state: "unknown" | "asked" | "granted" | "otherwise";
}

/** What SUBACK says to a topic that was granted as asked, and from which code on it was refused. */
const GRANTED = 1;
const REFUSED = 0x80;

/** Topics that were left, and may still have messages under way. */
const MAX_LEFT = 1000;

/**
 * The subscriptions of one session: what is wanted, what the broker was asked for, and what it granted. One packet is
 * under way at a time. What is wanted meanwhile goes together into the next.
 */
export class Subscriptions implements Topics {
  readonly #entries = new Map<string, Entry>();
  /** Topics that are wanted and not granted, or granted and not wanted. */
  readonly #changed = new Set<string>();
  #underWay: Change | undefined;
  readonly #left = new BoundedMap<string, true>(MAX_LEFT);
  longest = 0;

  /** Once is as good as twice. */
  add(subscriber: Subscriber): void {
    const { topic, maxPayloadBytes } = subscriber;
    const entry = this.#entries.get(topic) ?? { subscriber, state: "unknown" };
    entry.subscriber = subscriber;
    this.#entries.set(topic, entry);
    this.longest = Math.max(this.longest, maxPayloadBytes);
    if (entry.state === "unknown" || entry.state === "otherwise") this.#changed.add(topic);
    // It was about to be left.
    else if (this.#changed.delete(topic)) subscriber.onAnswer(undefined);
  }

  /** From now on it is told nothing. */
  remove(subscriber: Subscriber): void {
    const { topic } = subscriber;
    const entry = this.#entries.get(topic);
    if (entry?.subscriber !== subscriber) return;
    entry.subscriber = undefined;
    if (entry.state === "unknown") this.#forget(topic);
    else if (entry.state !== "asked") this.#changed.add(topic);
  }

  /** Who is to be told of what comes on a topic. */
  find(topic: string): Subscriber | undefined {
    return this.#entries.get(topic)?.subscriber;
  }

  limitOf(topic: string): number | undefined {
    const { state = "unknown", subscriber } = this.#entries.get(topic) ?? {};
    if (state !== "unknown") return subscriber?.maxPayloadBytes ?? NOTHING;
    // A broker may send what it had for us before it read that we left (MQTT 3.1.1, 3.10.4).
    return this.#left.has(topic) ? NOTHING : undefined;
  }

  /** What is to be sent next, if nothing is under way. Who wants to listen comes before who leaves. */
  next(): Change | undefined {
    if (this.#underWay !== undefined || this.#changed.size === 0) return undefined;
    const wanted: string[] = [];
    const unwanted: string[] = [];
    for (const topic of this.#changed) {
      (this.find(topic) === undefined ? unwanted : wanted).push(topic);
      if (wanted.length === MAX_TOPICS) break;
    }
    const type = wanted.length > 0 ? "subscribe" : "unsubscribe";
    const topics = (wanted.length > 0 ? wanted : unwanted).slice(0, MAX_TOPICS);
    for (const topic of topics) {
      this.#changed.delete(topic);
      const entry = this.#entries.get(topic);
      if (entry && type === "subscribe") entry.state = "asked";
    }
    this.#underWay = { type, topics };
    return this.#underWay;
  }

  /**
   * What was under way is answered.
   * @param codes - of a SUBACK, one for each topic
   * @returns why nothing of it was granted, where that is so
   */
  answered(codes: readonly number[] = []): BrokerError | undefined {
    const { type, topics } = this.#underWay ?? { type: "unsubscribe", topics: [] };
    this.#underWay = undefined;
    const refusals = topics.map((topic, i) =>
      type === "subscribe" ? this.#settle(topic, codes[i] ?? REFUSED) : this.#forgetLeft(topic),
    );
    return refusals.includes(undefined) ? undefined : refusals[0];
  }

  #settle(topic: string, code: number): BrokerError | undefined {
    const entry = this.#entries.get(topic);
    if (!entry) return undefined;
    const { subscriber } = entry;
    const answer = code >= REFUSED ? "refused" : `granted QoS ${code}`;
    const error = code === GRANTED ? undefined : new BrokerError("subscription", `wanted QoS 1, ${answer}`);
    if (error) entry.subscriber = undefined;
    entry.state = error ? "otherwise" : "granted";
    if (code >= REFUSED) this.#forget(topic);
    // Nobody wants it any more, or not like that.
    else if (entry.subscriber === undefined) this.#changed.add(topic);
    subscriber?.onAnswer(error);
    return error;
  }

  #forgetLeft(topic: string): undefined {
    this.#left.set(topic, true);
    const entry = this.#entries.get(topic);
    if (entry?.subscriber === undefined) this.#forget(topic);
    else {
      // Somebody came while it was being left.
      entry.state = "unknown";
      this.#changed.add(topic);
    }
  }

  #forget(topic: string): void {
    this.#entries.delete(topic);
    this.#changed.delete(topic);
  }
}

/** Not even an empty payload is of use. */
const NOTHING = -1;
