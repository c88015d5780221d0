import { describe, expect, it } from "vitest";
import { MemoryHintStore } from "../src/brokers/hints.js";
import { Keypair } from "../src/index.js";
import type { InboundMessage } from "../src/message.js";
import { parseRouterOptions } from "../src/options.js";
import { Mailbox } from "../src/receiving/mailbox.js";
import { PeerHistory } from "../src/sending/peer-history.js";
import { PipeCache } from "../src/sending/pipe-cache.js";
import { RoutingTable } from "../src/sending/routing-table.js";
import type { SmartPipe } from "../src/sending/smart-pipe.js";
import type { Broker } from "../src/wire/broker-pool.js";
import { startEmbeddedBroker } from "./support/embedded-broker.js";
import { poolOf, startPeer, use } from "./support/peers.js";

/** More strangers than anything remembers peers, each of whom got an answer. */
const STRANGERS: readonly string[] = Array.from({ length: 1100 }, (_, i) => `stranger ${i}`);

const BROKER: Broker = { family: "IPv4", host: "broker.example", port: 1883, weight: 1 };

describe("peers that the application sought are kept, whoever is answered beside them:", () => {
  it("where they were found", () => {
    const history = new PeerHistory();
    history.found("friend", BROKER);
    history.seek("friend");
    history.measured("friend", 20, 100);
    for (const stranger of STRANGERS) history.found(stranger, BROKER);
    expect(history.brokersOf("friend")).toEqual([BROKER]);
    expect(history.roundTripMs("friend")).toBe(20);
    // The strangers have a room of their own, and push out each other.
    expect([history.brokersOf("stranger 0"), history.brokersOf("stranger 1099")]).toEqual([[], [BROKER]]);
    expect([history.isSought("friend"), history.isSought("stranger 1099")]).toEqual([true, false]);
  });

  it("their pipes", async () => {
    const cache = new PipeCache();
    let made = 0;
    const make = async (): Promise<SmartPipe> => {
      made++;
      return {} as SmartPipe;
    };
    const friend = await cache.take("friend", false, 1e6, 0, make, true);
    for (const stranger of STRANGERS) await cache.take(stranger, false, 1e6, 0, make, false);
    expect(await cache.take("friend", false, 1e6, 0, make, true)).toBe(friend);
    expect(made).toBe(1 + STRANGERS.length);
  });

  it("what the hint store has of them, which strangers do not get into", () => {
    const hintStore = new MemoryHintStore();
    const routes = new RoutingTable(parseRouterOptions({ getTime: Date.now, hintStore }), () => true);
    routes.found("friend", BROKER);
    expect(hintStore.get("friend")).toBeUndefined();
    routes.seek("friend");
    for (const stranger of STRANGERS) routes.found(stranger, BROKER);
    routes.found("friend", { ...BROKER, host: "another.example" });
    const hosts = hintStore.get("friend")?.map(({ host }) => host);
    expect(hosts).toEqual(["another.example", "broker.example"]);
    expect([...hintStore.entries()]).toHaveLength(1);
  });

  it("in a router, which tells a pipe from an answer", async () => {
    const broker = use(await startEmbeddedBroker());
    const hintStore = new MemoryHintStore();
    const ben = await startPeer(poolOf([broker]), { hintStore });
    ben.addMessageHandler(async (message) => void (await message.reply("an answer")));
    const [ann, stranger] = await Promise.all([startPeer(poolOf([broker])), startPeer(poolOf([broker]))]);
    const answered = new Promise((resolve) => stranger.addMessageHandler(resolve));
    await (await stranger.pipe(ben.address)).deliver("hello");
    await answered;
    await (await ben.pipe(ann.address)).deliver("hello");
    const addresses = [...hintStore.entries()].map(([address]) => address);
    expect(addresses.toSorted()).toEqual([ann.address, ben.address].toSorted());
  });
});

describe("a mailbox that one peer has filled", () => {
  const friend = Keypair.generate().publicKeyHex;
  const messageFrom = (from: string): InboundMessage => ({
    data: new Uint8Array(),
    text: () => "",
    from,
    queueId: "00".repeat(32),
    sequence: 0,
    sentAt: 0,
    broker: { family: "IPv4", host: "a.example" },
    sealed: false,
    reply: async () => 0,
  });
  const isKnown = (from: string): boolean => !from.startsWith("stranger");

  it.each(["nobody reads", "a reader is behind", "a handler is slow"])(
    "(%s) has room left for others that are known, some for each",
    (how) => {
      const mailbox = new Mailbox({ present: () => [], emit: () => {} }, () => {});
      if (how === "a reader is behind") mailbox.read(undefined);
      if (how === "a handler is slow") mailbox.addHandler(() => new Promise(() => {}));
      const fill = (from: string): number => {
        let count = 0;
        for (; !mailbox.isFullFor(from, isKnown); count++) mailbox.put(messageFrom(from));
        return count;
      };
      expect(fill("stranger 1")).toBe(1024);
      expect(fill("stranger 2")).toBe(0);
      expect([fill(friend), fill(friend)]).toEqual([32, 0]);
      let more = 0;
      for (let i = 0; i < 20; i++) more += fill(`peer ${i}`);
      expect(more).toBe(256 - 32);
    },
  );
});
