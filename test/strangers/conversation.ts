import { onTestFinished, vi } from "vitest";
import {
  AppPacket,
  type BrokerPool,
  type DropReason,
  type InboundMessage,
  Keypair,
  MessageType,
  Router,
  type RouterOptions,
  type SmartPipe,
} from "../../src/index.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { poolOf, record, untilBrokers, use } from "../support/peers.js";
import { connectRaw, type RawClient } from "../support/raw-client.js";

/** 2001-09-09, a whole second: any time will do. */
const START_MS = 1_000_000_000_000;

/** How long something may take that happens at once. */
export const PATIENCE = { timeout: 15_000, interval: 5 } as const;

/** One of the two who talk. */
export interface Talker {
  readonly keys: Keypair;
  router: Router;
  /** What it has shown, in order. */
  shown: InboundMessage[];
  /** Its wall clock, ms. It stands still unless a test sets it. */
  wall: number;
  /** Its pipes to the other, by what goes through them. */
  pipes: { readonly open: SmartPipe; readonly sealed: SmartPipe };
}

/** A packet that was recorded: where it went, and by which brokers. */
export interface Recorded {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly type: number;
  readonly by: ReadonlySet<RawClient>;
}

/** What came of what a router received. */
export interface Tally {
  readonly received: number;
  readonly duplicates: number;
  /** Sends of its own that an ACK settled. */
  readonly settled: number;
  /** ACKs that it gave. */
  readonly acks: number;
  readonly dropped: Partial<Record<DropReason, number>>;
}

/** Nothing came of it. */
export const NOTHING: Tally = { received: 0, duplicates: 0, settled: 0, acks: 0, dropped: {} };

/** Ann and Ben on four brokers, a message going by two of them; Mallory reads and publishes on all four. */
export class Conversation {
  readonly ann: Talker;
  readonly ben: Talker;
  /** A stranger's key: what is signed with it is told apart. */
  readonly mallory: Keypair = Keypair.generate();
  readonly pool: BrokerPool;
  /** The addresses of the brokers, in the order of the spies. */
  readonly #hosts: readonly string[];
  readonly #options: Partial<RouterOptions>;
  #spies: readonly RawClient[] = [];
  /** The ACKs among what Mallory played: not to be taken for answers. */
  #playedAcks = new Map<Talker, number>();
  #played = 0;
  #sentBefore = 0;

  private constructor(
    pool: BrokerPool,
    hosts: readonly string[],
    ann: Talker,
    ben: Talker,
    options: Partial<RouterOptions>,
  ) {
    this.pool = pool;
    this.#hosts = hosts;
    this.ann = ann;
    this.ben = ben;
    this.#options = options;
  }

  static async start(options: Partial<RouterOptions> = {}): Promise<Conversation> {
    const hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"];
    const brokers = await Promise.all(hosts.map(async (host) => use(await startEmbeddedBroker(host))));
    const pool = poolOf(brokers);
    const [ann, ben] = await Promise.all([makeTalker(pool, options), makeTalker(pool, options)]);
    const conversation = new Conversation(pool, hosts, ann, ben, options);
    const topics = [ann.keys, ben.keys, conversation.mallory].map((keys) => keys.publicKeyHex);
    conversation.#spies = await Promise.all(brokers.map((broker) => connectRaw(broker, topics)));
    await conversation.#connect(ann, ben);
    await conversation.#connect(ben, ann);
    return conversation;
  }

  /** Both say something, in the open and sealed, several at once, and each looks for the other. */
  async talk(): Promise<void> {
    const { ann, ben } = this;
    const sends = [ann, ben].flatMap(({ pipes }) =>
      [0, 1, 2].flatMap((i) => [pipes.open.deliver(`open ${i}`), pipes.sealed.deliver(`sealed ${i}`)]),
    );
    await Promise.all([...sends, ...[ann, ben].map(({ pipes }) => pipes.open.probe())]);
    await this.quiet();
  }

  /** Everything that went over the brokers so far and was signed by one of the two. */
  recorded(): Recorded[] {
    const packets = new Map<string, Recorded & { readonly by: Set<RawClient> }>();
    const own = [this.ann, this.ben].map(({ keys }) => keys.publicKeyHex);
    for (const spy of this.#spies) {
      for (const { topic, payload } of spy.heard) {
        if (!own.includes(sourceOf(payload)) || !own.includes(topic)) continue;
        const id = topic + payload.toString("hex");
        const packet = packets.get(id) ?? { topic, payload, type: typeOf(payload), by: new Set() };
        packet.by.add(spy);
        packets.set(id, packet);
      }
    }
    return [...packets.values()];
  }

  /**
   * Publishes packets again, in the order of the recording.
   * @param where - on which brokers: by those they were recorded on, or by all others
   * @returns how many copies that were, by type, for each destination
   */
  async play(packets: readonly Recorded[], where: "same" | "others" = "same"): Promise<Played> {
    const played: Played = { ann: { 1: 0, 2: 0, 3: 0 }, ben: { 1: 0, 2: 0, 3: 0 } };
    const published: Promise<void>[] = [];
    for (const { topic, payload, type, by } of packets) {
      for (const spy of this.#spies.filter((one) => by.has(one) === (where === "same"))) {
        const counts = topic === this.ann.keys.publicKeyHex ? played.ann : played.ben;
        if (type === 1 || type === 2 || type === 3) counts[type]++;
        published.push(this.publish(spy, topic, payload));
      }
    }
    await Promise.all(published);
    return played;
  }

  /** Mallory's connection to a broker. */
  spyAt(host: string): RawClient | undefined {
    return this.#spies[this.#hosts.indexOf(host)];
  }

  /** Publishes one payload by one broker, or by the first. */
  async publish(spy: RawClient | undefined, topic: string, payload: Uint8Array): Promise<void> {
    const by = spy ?? this.#spies[0];
    if (by === undefined) throw new Error("no broker");
    this.#played++;
    for (const talker of [this.ann, this.ben]) {
      const isAck = typeOf(payload) === MessageType.Ack && sourceOf(payload) === talker.keys.publicKeyHex;
      if (isAck) this.#playedAcks.set(talker, (this.#playedAcks.get(talker) ?? 0) + 1);
    }
    await by.publish(topic, payload);
  }

  /** Resolves with the next packet that fits, on any broker. */
  next(fits: (payload: Buffer) => boolean): Promise<Buffer> {
    return Promise.race(this.#spies.map((spy) => spy.next(fits)));
  }

  /** Resolves when everything that was published has come in, and everything that came in is dealt with. */
  async quiet(): Promise<void> {
    const { ann, ben } = this;
    await Promise.all([ann, ben].map((talker) => this.#fence(talker)));
    await vi.waitUntil(() => {
      const heard = this.#spies.reduce((sum, spy) => sum + spy.heard.length, 0);
      const sent = this.#sentBefore + sentBy(ann) + sentBy(ben);
      return heard === sent + this.#played && this.#isDone(ann) && this.#isDone(ben);
    }, PATIENCE);
  }

  /** What came of what a talker received since then. */
  tally({ router, keys }: Talker, since: Tally = NOTHING): Tally {
    const { received, duplicates, dropped, brokers } = router.stats();
    const reasons = Object.entries(dropped).map(([reason, count]) => [
      reason,
      count - (Reflect.get(since.dropped, reason) ?? 0),
    ]);
    const own = this.#heard(({ topic, payload }) => {
      const toMallory = topic === this.mallory.publicKeyHex;
      return sourceOf(payload) === keys.publicKeyHex && typeOf(payload) === MessageType.Ack && !toMallory;
    });
    const talker = keys === this.ann.keys ? this.ann : this.ben;
    return {
      received: received - since.received,
      duplicates: duplicates - since.duplicates,
      settled: brokers.reduce((sum, { acknowledged }) => sum + acknowledged, 0) - since.settled,
      acks: own - (this.#playedAcks.get(talker) ?? 0) - since.acks,
      dropped: Object.fromEntries(reasons.filter(([, count]) => count !== 0)),
    };
  }

  /** Ends a talker's router and starts another one with its key. */
  async restart(talker: Talker): Promise<void> {
    const other = talker === this.ann ? this.ben : this.ann;
    await talker.router.close();
    this.#sentBefore += sentBy(talker);
    this.#forgetDone(talker);
    talker.router = makeRouter(talker, this.pool, this.#options);
    talker.shown = record(talker.router);
    await talker.router.start();
    await this.#connect(talker, other);
  }

  async #connect(talker: Talker, other: Talker): Promise<void> {
    const open = (): number => talker.router.stats().brokers.filter(({ state }) => state === "open").length;
    await untilBrokers(talker.router, () => open() === 4);
    const to = other.keys.publicKeyHex;
    talker.pipes = {
      open: await talker.router.pipe(to),
      sealed: await talker.router.pipe(to, { encrypt: true }),
    };
  }

  /** A probe on every broker: what was published before it has come in when its answer is there. */
  async #fence(talker: Talker): Promise<void> {
    await Promise.all(
      this.#spies.map(async (spy) => {
        const queueId = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
        const fields = { queueId, sequence: 0, timestamp: 0, type: MessageType.Probe, message: EMPTY };
        const answered = spy.next(
          (payload) => typeOf(payload) === MessageType.Ack && payload.toString("hex", 97, 129) === queueId,
        );
        const probe = await AppPacket.pack(fields, this.mallory);
        await this.publish(spy, talker.keys.publicKeyHex, probe);
        await answered;
      }),
    );
  }

  /** Arrivals that a router which is gone has dealt with, and its answers. */
  readonly #before = new Map<Talker, { asked: number; answered: number; probes: number }>();

  #forgetDone(talker: Talker): void {
    this.#before.set(talker, {
      asked: this.#asked(talker),
      answered: this.#answered(talker),
      probes: this.#probes(talker),
    });
  }

  /**
   * Whether every message and probe that came in was answered or dropped. What waits behind a gap is seen by its
   * answer; of the copies that come while that is being signed, only one is answered.
   */
  #isDone(talker: Talker): boolean {
    const { dropped, received, duplicates } = talker.router.stats();
    const before = this.#before.get(talker) ?? { asked: 0, answered: 0, probes: 0 };
    const taken = received + duplicates + this.#probes(talker) - before.probes;
    const refused = Object.entries(dropped).filter(([reason]) => reason !== "unexpected-ack");
    const refusals = refused.reduce((sum, [, count]) => sum + count, 0);
    const answered = this.#answered(talker) - before.answered;
    return Math.max(answered, taken) + refusals >= this.#asked(talker) - before.asked;
  }

  #probes({ keys }: Talker): number {
    return this.#heard(
      ({ topic, payload }) => topic === keys.publicKeyHex && typeOf(payload) === MessageType.Probe,
    );
  }

  #asked({ keys }: Talker): number {
    return this.#heard(
      ({ topic, payload }) => topic === keys.publicKeyHex && typeOf(payload) !== MessageType.Ack,
    );
  }

  #answered(talker: Talker): number {
    const acks = this.#heard(
      ({ payload }) => sourceOf(payload) === talker.keys.publicKeyHex && typeOf(payload) === MessageType.Ack,
    );
    return acks - (this.#playedAcks.get(talker) ?? 0);
  }

  #heard(fits: (heard: RawClient["heard"][number]) => boolean): number {
    return this.#spies.reduce((sum, spy) => sum + spy.heard.filter(fits).length, 0);
  }
}

/** How many copies went to whom, by type. */
export interface Played {
  readonly ann: Record<1 | 2 | 3, number>;
  readonly ben: Record<1 | 2 | 3, number>;
}

const EMPTY: Uint8Array = new Uint8Array();

export function sourceOf(payload: Uint8Array): string {
  return Buffer.from(payload.subarray(0, 33)).toString("hex");
}

export function typeOf(payload: Uint8Array): number {
  return payload[141] ?? 0;
}

function sentBy({ router }: Talker): number {
  return router.stats().brokers.reduce((sum, { sent }) => sum + sent, 0);
}

function makeRouter(
  talker: Pick<Talker, "keys" | "wall">,
  pool: BrokerPool,
  options: Partial<RouterOptions>,
): Router {
  const router = new Router(talker.keys, {
    getTime: () => talker.wall,
    brokers: pool,
    families: ["IPv4"],
    fanOut: 2,
    // Nothing widens to further brokers because the machine is busy.
    widenAfterMs: 60_000,
    ...options,
  });
  onTestFinished(() => router.close({ signal: AbortSignal.abort() }));
  return router;
}

async function makeTalker(pool: BrokerPool, options: Partial<RouterOptions>): Promise<Talker> {
  const talker = { keys: Keypair.generate(), wall: START_MS };
  const router = makeRouter(talker, pool, options);
  const shown = record(router);
  await router.start();
  const nobody = Keypair.generate().publicKeyHex;
  const pipe = await router.pipe(nobody);
  // Replaced as soon as the other one is there.
  return Object.assign(talker, { router, shown, pipes: { open: pipe, sealed: pipe } });
}
