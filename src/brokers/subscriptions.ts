import { BoundedMap } from "../base/bounded-map.js";
import { BrokerError } from "../base/errors.js";
import type { Topics } from "./guard.js";
import { MAX_TOPICS } from "./mqtt-packets.js";

/** A listener on a topic: one address at one broker. */
export interface Subscriber {
  readonly topic: string;
  /** The longest useful payload, in bytes. */
  readonly maxPayloadBytes: number;
  /** Called for every publish on the topic. */
  onMessage(payload: Uint8Array): void;
  /** Called for a publish that was longer than {@link maxPayloadBytes}. Such a publish is not kept. */
  onTooLarge(): void;
  /** Called with the broker's answer to the subscription: undefined when granted, otherwise the reason. */
  onAnswer(error: BrokerError | undefined): void;
}

/** The changes of one packet. */
export interface Change {
  readonly type: "subscribe" | "unsubscribe";
  readonly topics: readonly string[];
}

/** The state of one topic. */
interface Entry {
  /** The address that wants the topic now. */
  subscriber: Subscriber | undefined;
  /**
   * What the broker knows of the topic: nothing; it was asked for; it was granted at QoS 1; it was granted at another
   * QoS.
   */
  state: "unknown" | "asked" | "granted" | "otherwise";
}

/** The SUBACK code for a topic granted at QoS 1, and the lowest code of a refusal. */
const GRANTED = 1;
const REFUSED = 0x80;

/** The maximum number of topics that were left and may still have messages on their way. */
const MAX_LEFT = 1000;

/**
 * The subscriptions of one session: the wanted topics, the requested topics and the granted topics. Only one packet is
 * unanswered at a time. Changes that come meanwhile go into the next packet together.
 */
export class Subscriptions implements Topics {
  readonly #entries = new Map<string, Entry>();
  /** Topics that are wanted but not granted, or granted but not wanted. */
  readonly #changed = new Set<string>();
  #underWay: Change | undefined;
  readonly #left = new BoundedMap<string, true>(MAX_LEFT);
  longest = 0;

  /** Adds a subscriber. Adding one twice changes nothing. */
  add(subscriber: Subscriber): void {
    const { topic, maxPayloadBytes } = subscriber;
    const entry = this.#entries.get(topic) ?? { subscriber, state: "unknown" };
    entry.subscriber = subscriber;
    this.#entries.set(topic, entry);
    this.longest = Math.max(this.longest, maxPayloadBytes);
    if (entry.state === "unknown" || entry.state === "otherwise") this.#changed.add(topic);
    // The topic was granted and was about to be left.
    else if (this.#changed.delete(topic)) subscriber.onAnswer(undefined);
  }

  /** Removes a subscriber. No more of its functions are called. */
  remove(subscriber: Subscriber): void {
    const { topic } = subscriber;
    const entry = this.#entries.get(topic);
    if (entry?.subscriber !== subscriber) return;
    entry.subscriber = undefined;
    if (entry.state === "unknown") this.#forget(topic);
    else if (entry.state !== "asked") this.#changed.add(topic);
  }

  /** The subscriber of a topic. */
  find(topic: string): Subscriber | undefined {
    return this.#entries.get(topic)?.subscriber;
  }

  limitOf(topic: string): number | undefined {
    const { state = "unknown", subscriber } = this.#entries.get(topic) ?? {};
    if (state !== "unknown") return subscriber?.maxPayloadBytes ?? NOTHING;
    // A broker may still send messages that it had before it read the UNSUBSCRIBE (MQTT 3.1.1, section 3.10.4).
    return this.#left.has(topic) ? NOTHING : undefined;
  }

  /**
   * The next packet to send; undefined when an answer is missing or nothing has changed. New topics come before left
   * ones.
   */
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
   * Must be called when the unanswered packet was answered.
   * @param codes - the codes of a SUBACK, one for each topic
   * @returns why no topic of the packet was granted; undefined when one was granted
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
    // The topic is not wanted any more, or was granted at the wrong QoS.
    else if (entry.subscriber === undefined) this.#changed.add(topic);
    subscriber?.onAnswer(error);
    return error;
  }

  #forgetLeft(topic: string): undefined {
    this.#left.set(topic, true);
    const entry = this.#entries.get(topic);
    if (entry?.subscriber === undefined) this.#forget(topic);
    else {
      // A new subscriber came while the topic was being left.
      entry.state = "unknown";
      this.#changed.add(topic);
    }
  }

  #forget(topic: string): void {
    this.#entries.delete(topic);
    this.#changed.delete(topic);
  }
}

/** A limit that no payload meets, not even an empty one. */
const NOTHING = -1;
