import { describe, expect, it } from "vitest";
import { startAedes } from "../support/broker-process.js";
import { median, startPeer, use } from "../support/peers.js";
import { ca, startHostile } from "./hostile-process.js";

/** Floods of what a broker may send, each from two brokers. */
const FLOODS: readonly string[] = [
  "empty messages without end",
  "empty messages at QoS 1 without end",
  "messages with wrong signatures without end",
  "long messages without end",
  "messages of 1 MB without end",
];

/** Calm and flooded by turns, ms each: what else the machine does comes to both. */
const TURN_MS = 400;
const TURNS = 6;

/** By which port of a pool's entry each transport goes. */
const TRANSPORTS = { mqtt: "port", mqtts: "tls", ws: "ws", wss: "wss" } as const;

describe.each(Object.entries(TRANSPORTS) as [keyof typeof TRANSPORTS, string][])(
  "an honest broker's peer beside ten hostile brokers over %s",
  (transport, portName) => {
    it("has its answers nearly as fast as without them", { timeout: 60_000, retry: 2 }, async () => {
      const honest = use(await startAedes("127.0.0.2"));
      const hostile = await startHostile(transport, [...FLOODS, ...FLOODS]);
      const own = { "127.0.0.2": { port: honest.port } };
      const others = Object.fromEntries(
        hostile.ports.map((port, i) => [`127.0.1.${i + 1}`, { [portName]: port }]),
      );
      const [ann, ben] = await Promise.all([
        startPeer({ IPv4: { ...own, ...others } }, { inboundBrokers: 11, ca }),
        startPeer({ IPv4: own }, { onMessage: () => {} }),
      ]);
      await expect
        .poll(() => ann.stats().brokers.filter(({ state }) => state === "open").length, { timeout: 20_000 })
        .toBe(FLOODS.length * 2 + 1);
      const pipe = await ann.pipe(ben.address);
      const roundTrips: Record<"calm" | "flooded", number[]> = { calm: [], flooded: [] };
      for (let turn = 0; turn < 2 * TURNS; turn++) {
        const how = turn % 2 === 0 ? "calm" : "flooded";
        if (how === "calm") hostile.stop();
        else hostile.resume();
        const endsAt = performance.now() + TURN_MS;
        while (performance.now() < endsAt) {
          const startedAt = performance.now();
          await pipe.deliver("are you there");
          // What was sent before a turn's beginning is still being read.
          if (startedAt > endsAt - 0.75 * TURN_MS) roundTrips[how].push(performance.now() - startedAt);
        }
      }
      hostile.resume();
      const [calm, flooded] = [median(roundTrips.calm), median(roundTrips.flooded)];
      const dropped = Object.values(ann.stats().dropped).reduce((sum, count) => sum + count, 0);
      console.log(
        `${transport}: median ${calm.toFixed(2)} ms calm, ${flooded.toFixed(2)} ms flooded: × ${(flooded / calm).toFixed(2)};`,
        ann.stats().dropped,
      );
      expect(dropped).toBeGreaterThan(10_000);
      expect(flooded / calm).toBeLessThan(1.5);
    });
  },
);
