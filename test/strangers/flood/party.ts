import { connect } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import mqtt, { type MqttClient } from "mqtt";
import { Keypair, Router, type RouterStats } from "../../../src/index.js";
import { platform } from "../../../src/platform/node.js";
import { usedBytes } from "../receiving.js";

/** What a process of this file is told: it is the one who is flooded, or the one who talks to it. */
export type PartyOrder =
  | {
      readonly do: "start";
      readonly host: string;
      readonly port: number;
      /** No library at all: MQTT.js alone, that sends back what comes from one source. */
      readonly bare: boolean;
      /** Whom it takes packets from; everyone by default. */
      readonly accept?: string;
    }
  /** Sends one message after the other for so long. */
  | {
      readonly do: "send";
      readonly to: string;
      readonly ms: number;
      /** Whether each message has a queue of its own, as those of a Python peer have. */
      readonly isApart: boolean;
    }
  | { readonly do: "report" };

/** What came of the messages that were sent. */
export interface Sends {
  readonly roundTripsMs: readonly number[];
  /** How many got no ACK at all. */
  readonly lost: number;
  /** How many publishes more than messages there were. */
  readonly repeated: number;
}

/** What happened since the last report. */
export interface Report {
  readonly stats: RouterStats | undefined;
  /** Of the message that was shown last. */
  readonly queueId: string | undefined;
  /** Packets that came in. */
  readonly arrived: number;
  /** Signatures checked. */
  readonly verified: number;
  /** Bytes in use, garbage not counted. */
  readonly usedBytes: number;
  readonly rssBytes: number;
  /** How long the event loop was kept from a timer, ms. */
  readonly delay: { readonly median: number; readonly p99: number; readonly max: number };
  /** Processor time, ms. */
  readonly cpuMs: number;
}

/** What it answers. */
export type PartyEvent =
  | { readonly event: "ready"; readonly address: string }
  | { readonly event: "sent"; readonly sends: Sends }
  | { readonly event: "report"; readonly report: Report };

type Start = Extract<PartyOrder, { do: "start" }>;

/** Sends a message and waits for its answer: the round trip and the publishes it took, or nothing. */
type Ask = (to: string, isApart: boolean) => Promise<{ roundTripMs: number; attempts: number } | undefined>;

interface Party {
  readonly address: string;
  readonly ask: Ask;
  readonly stats: () => RouterStats | undefined;
  /** Packets that came in so far. */
  readonly arrived: () => number;
}

let party: Party | undefined;
let verified = 0;
let queueId: string | undefined;

async function startRouter({ host, port, accept }: Start): Promise<Party> {
  const verify = platform.createVerify();
  const router = new Router(Keypair.generate(), {
    getTime: Date.now,
    families: ["IPv4"],
    brokers: { IPv4: { [host]: { port } } },
    onMessage: (message) => {
      queueId = message.queueId;
    },
    ...(accept === undefined ? {} : { accept: (from: string) => from === accept }),
    verify: (...args) => {
      verified++;
      return verify(...args);
    },
  });
  await router.start();
  let asked = 0;
  const ask: Ask = async (to, isApart) => {
    const pipe = await router.pipe(to, { useCache: !isApart });
    const receipt = await pipe.deliver("ping").catch(() => undefined);
    asked += receipt?.attempts ?? 0;
    return receipt;
  };
  const arrived = (): number => {
    const { brokers, dropped, received, duplicates } = router.stats();
    const sent = brokers.reduce((sum, broker) => sum + broker.sent, 0);
    // What came in was dropped, or taken. A probe is seen by its answer alone; of two copies, one may have none.
    const taken = Math.max(received + duplicates, sent - asked);
    return taken + Object.values(dropped).reduce((sum, count) => sum + count, 0);
  };
  return { address: router.address, ask, stats: () => router.stats(), arrived };
}

async function startBare({ host, port }: Start): Promise<Party> {
  const address = Keypair.generate().publicKeyHex;
  const options = { reconnectPeriod: 0, protocolVersion: 4 } as const;
  const client: MqttClient = new mqtt.MqttClient(() => connect({ host, port, noDelay: true }), options);
  await client.subscribeAsync(address, { qos: 1 });
  let arrived = 0;
  let answer: (() => void) | undefined;
  client.on("message", (_topic, payload) => {
    arrived++;
    if (payload.length !== PING.length || !payload.subarray(33).equals(PING.subarray(33))) return;
    const from = payload.toString("hex", 0, 33);
    if (from === address) answer?.();
    else client.publish(from, payload);
  });
  const ask: Ask = async (to) => {
    const started = performance.now();
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    PING.set(Buffer.from(address, "hex"), 0);
    client.publish(to, PING);
    await answered;
    return { roundTripMs: performance.now() - started, attempts: 1 };
  };
  return { address, ask, stats: () => undefined, arrived: () => arrived };
}

/** As long as the router's: its first 33 bytes say whom it is from. */
const PING: Buffer = Buffer.alloc(146, 7);

async function sendFor(ask: Ask, to: string, ms: number, isApart: boolean): Promise<Sends> {
  const roundTripsMs: number[] = [];
  let [lost, repeated] = [0, 0];
  const until = performance.now() + ms;
  while (performance.now() < until) {
    const receipt = await ask(to, isApart);
    if (receipt === undefined) lost++;
    else {
      roundTripsMs.push(receipt.roundTripMs);
      repeated += receipt.attempts - 1;
    }
    // As people talk: the next one is not a consequence of the last one's ACK.
    await new Promise((resolve) => setTimeout(resolve, 5 * Math.random()));
  }
  return { roundTripsMs, lost, repeated };
}

const delay = monitorEventLoopDelay({ resolution: 1 });
let cpu = process.cpuUsage();
let arrivedBefore = 0;

async function report({ stats, arrived }: Party): Promise<Report> {
  const { user, system } = process.cpuUsage(cpu);
  const ms = (nanoseconds: number): number => nanoseconds / 1e6;
  const times = { median: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) };
  const count = arrived();
  const result: Report = {
    stats: stats(),
    queueId,
    arrived: count - arrivedBefore,
    verified,
    rssBytes: process.memoryUsage.rss(),
    usedBytes: await usedBytes(),
    delay: times,
    cpuMs: (user + system) / 1000,
  };
  verified = 0;
  arrivedBefore = count;
  delay.reset();
  cpu = process.cpuUsage();
  return result;
}

async function obey(order: PartyOrder): Promise<PartyEvent> {
  if (order.do === "start") {
    party = await (order.bare ? startBare(order) : startRouter(order));
    delay.enable();
    return { event: "ready", address: party.address };
  }
  if (party === undefined) throw new Error("not started");
  if (order.do === "report") return { event: "report", report: await report(party) };
  return { event: "sent", sends: await sendFor(party.ask, order.to, order.ms, order.isApart) };
}

process.on("message", (message) => {
  // The test's own process sends nothing else.
  void obey(message as PartyOrder).then((event) => process.send?.(event));
});

process.once("disconnect", () => process.exit());
