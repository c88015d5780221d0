import { Outbox } from "../../src/sending/outbox.js";
import { CONNECT_MS, PASSAGE_MS } from "./network.js";
import { RULES, type Rules } from "./rules.js";

/** What a broker is doing for a peer, as in the library's link set. */
export type LinkState = "idle" | "connecting" | "open" | "waiting";

/** A peer of this library. Brokers are numbers; what it cannot reach never answers. */
export interface Peer {
  readonly reach: readonly boolean[];
  readonly links: LinkState[];
}

/** What became of a message. */
export interface Sent {
  /** When the first copy was there, ms after the call; undefined if none came in time. */
  readonly arrivedAfterMs: number | undefined;
  /** The broker of the first ACK. */
  readonly by: number | undefined;
  /** How often brokers were joined in. */
  readonly waves: number;
  readonly publishes: number;
  /** Publishes of the receiver: it answers each copy. */
  readonly acks: number;
  /** New connections that were tried. */
  readonly dials: number;
  /** Those of them that came about. */
  readonly connected: number;
}

/** The one message of an outbox. */
const ALONE = { to: "", queueId: "", sequence: 0, newestFirst: false, answerMs: 0, leavingMs: 0 };

/** How far down a ranking brokers are held at most, as in the library's inbound set. */
const MAX_HELD = 64;

/**
 * A peer that has been up for a while and has sent nothing yet: connected to the best brokers of its
 * own ranking that it reaches, as far down as it takes for enough of them.
 */
export function settled(ranking: readonly number[], reach: readonly boolean[], rules: Rules = RULES): Peer {
  const links = ranking.map((): LinkState => "idle");
  let missing = rules.inboundBrokers + rules.reserveBrokers;
  for (const broker of ranking.slice(0, MAX_HELD)) {
    if (missing === 0) break;
    links[broker] = reach[broker] === true ? "open" : "waiting";
    if (reach[broker] === true) missing--;
  }
  return { reach, links };
}

/**
 * `router.pipe` and the first `send` on it, or a later `send`: the same brokers at the same times as
 * the library's delivery, with the library's outbox as the clock. The peer keeps what it dialled.
 *
 * @param route - where the destination may listen, in order; may name a broker twice
 */
export function send(peer: Peer, route: readonly number[], listens: readonly boolean[], rules: Rules): Sent {
  return new Sending(peer, route, listens, rules).run();
}

class Sending {
  readonly #peer: Peer;
  readonly #route: readonly number[];
  readonly #listens: readonly boolean[];
  readonly #rules: Rules;
  /** When each broker of the attempts is first published on; never, as Infinity. */
  readonly #publishedAt = new Map<number, number>();
  readonly #repeatedAt: number[] = [];
  #waves = 0;
  #dials = 0;
  #connected = 0;
  #ackAt = Number.POSITIVE_INFINITY;
  #by: number | undefined;

  constructor(peer: Peer, route: readonly number[], listens: readonly boolean[], rules: Rules) {
    this.#peer = peer;
    this.#route = route;
    this.#listens = listens;
    this.#rules = rules;
  }

  run(): Sent {
    // Without any connection there is no pipe.
    if (this.#peer.links.includes("open")) {
      for (const broker of this.#route.slice(0, this.#rules.fanOut)) this.#dial(broker);
      this.#widen(0);
      this.#wait();
    }
    this.#settleLinks();
    return this.#result();
  }

  /** Does what is due until the ACK comes or the time is over. */
  #wait(): void {
    const outbox = new Outbox<null>();
    let now = outbox.add(null, { ...ALONE, ...this.#rules }, 0);
    while (now <= this.#ackAt && now < Number.POSITIVE_INFINITY) {
      for (const { action } of outbox.due(now)) {
        if (action === "widen") this.#widen(now);
        else if (action === "repeat") this.#repeatedAt.push(now);
      }
      now = outbox.nextAt();
    }
  }

  /** The next brokers, as `Delivery` takes them: until `fanOut` are usable and one is connected. */
  #widen(now: number): void {
    const { fanOut } = this.#rules;
    this.#waves++;
    let [usable, open, dialled] = [0, 0, 0];
    for (const broker of this.#route) {
      if (usable >= fanOut && open > 0) break;
      if (this.#publishedAt.has(broker)) continue;
      const state = this.#peer.links[broker];
      if (state === "open") {
        open++;
        usable++;
      } else if (state === "connecting") {
        // Dialled by `router.pipe` a moment ago.
        usable++;
      } else if (dialled < fanOut) {
        dialled++;
        if (state === "idle") usable++;
      } else {
        continue;
      }
      this.#attempt(broker, now);
    }
  }

  #attempt(broker: number, now: number): void {
    this.#dial(broker);
    const wait = this.#peer.links[broker] === "open" ? 0 : this.#connectMs(broker);
    this.#publishedAt.set(broker, now + wait);
    const ackAt = now + wait + 2 * PASSAGE_MS;
    if (this.#listens[broker] !== true || ackAt >= this.#ackAt) return;
    this.#ackAt = ackAt;
    this.#by = broker;
  }

  #dial(broker: number): void {
    const { links } = this.#peer;
    if (links[broker] !== "idle") return;
    links[broker] = "connecting";
    this.#dials++;
    if (this.#connectMs(broker) < Number.POSITIVE_INFINITY) this.#connected++;
  }

  #connectMs(broker: number): number {
    return this.#peer.reach[broker] === true ? CONNECT_MS : Number.POSITIVE_INFINITY;
  }

  /** What was dialled has an answer, or is given up, before the next message. */
  #settleLinks(): void {
    const { links, reach } = this.#peer;
    links.forEach((state, broker) => {
      if (state === "connecting") links[broker] = reach[broker] === true ? "open" : "waiting";
    });
  }

  #result(): Sent {
    const { timeoutMs } = this.#rules;
    const inTime = this.#ackAt <= timeoutMs;
    const end = inTime ? this.#ackAt : timeoutMs;
    let [publishes, acks] = [0, 0];
    for (const [broker, at] of this.#publishedAt) {
      if (at > end) continue;
      const copies = 1 + this.#repeatedAt.filter((again) => at <= again && again <= end).length;
      publishes += copies;
      if (this.#listens[broker] === true) acks += copies;
    }
    return {
      arrivedAfterMs: inTime ? this.#ackAt - PASSAGE_MS : undefined,
      by: inTime ? this.#by : undefined,
      waves: this.#waves,
      publishes,
      acks,
      dials: this.#dials,
      connected: this.#connected,
    };
  }
}
