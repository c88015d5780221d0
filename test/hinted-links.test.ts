import { expect, it } from "vitest";
import { brokerOfHint } from "../src/brokers/hints.js";
import type { Broker } from "../src/wire/broker-pool.js";
import { makeConnections, makeLinks, openMadeUp } from "./support/links.js";

function hinted(i: number): Broker {
  const broker = brokerOfHint({ af: 2, host: `host-${i}.example.com`, port: 1883 }, {}, false);
  if (broker === undefined) throw new Error("not dialled");
  return broker;
}

it("of brokers that hints named 16 are connected at once: the one unused for longest makes room, one in use does not", async () => {
  const opened: string[] = [];
  const closed: string[] = [];
  const connections = makeConnections({
    openLink: async ({ broker, subscribers }) => {
      opened.push(broker.host);
      return openMadeUp(subscribers(), { close: async () => void closed.push(broker.host) });
    },
  });
  const links = makeLinks(connections);
  for (let i = 0; i < 16; i++) links.dial(hinted(i));
  await new Promise((resolve) => setImmediate(resolve));
  expect(opened).toHaveLength(16);
  links.publish(links.find(hinted(0)), "you", new Uint8Array(), performance.now() + 1000);
  for (let i = 16; i < 100; i++) {
    links.dial(hinted(i));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(closed).toHaveLength(84);
  expect(closed.slice(0, 15)).toEqual(Array.from({ length: 15 }, (_, i) => `host-${i + 1}.example.com`));
  expect(links.slots().filter(({ state }) => state === "open")).toHaveLength(16);

  const open = links.slots().filter(({ state }) => state === "open");
  for (const { broker } of open) links.want(broker, {});
  const late = links.dial(hinted(100));
  await new Promise((resolve) => setImmediate(resolve));
  expect(late).toMatchObject({
    state: "waiting",
    lastError: { message: expect.stringContaining("16 hinted") },
  });
  // The pool's own come and go as ever.
  const own = links.dial({ family: "IPv4", host: "own.example.com", port: 1883, weight: 1 });
  await new Promise((resolve) => setImmediate(resolve));
  expect(own.state).toBe("open");
  await connections.close(false);
});
