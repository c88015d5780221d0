import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { formatEndpoint } from "../../src/ip/endpoint.js";
import type { Gateway } from "../../src/port-mapping/gateway.js";
import { Mapping } from "../../src/port-mapping/mapping.js";
import { MappingFile } from "../../src/port-mapping/mapping-file.js";
import { type Behaviour, FakeGateway } from "../support/fake-gateway.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const GATEWAY: Gateway = {
  family: 4,
  address: "127.0.0.1",
  device: "lo",
  own: "127.0.0.1",
};
const INTERNAL = 51_820;

const open: Mapping[] = [];
afterEach(async () => {
  for (const mapping of open.splice(0)) await mapping.close();
});

interface World {
  readonly gateway: FakeGateway;
  readonly mapping: Mapping;
  readonly folder: string;
  kept(): { externalPort: number; isPermanent: boolean }[];
}

/** A mapping that is wanted of a gateway. */
async function start(
  gateway: FakeGateway,
  folder = temporaryFolder(),
  internalPort = INTERNAL,
): Promise<World> {
  const file = await MappingFile.open(folder, "wg0", Date.now(), () => {});
  const means = { file, ports: gateway.ports, onChanged: () => {}, getTime: Date.now };
  const mapping = new Mapping(means);
  open.push(mapping);
  mapping.want({ gateway: GATEWAY, internalPort });
  const kept = (): { externalPort: number; isPermanent: boolean }[] => {
    try {
      return JSON.parse(readFileSync(join(folder, "wg0.mappings.json"), "utf8")).mappings;
    } catch {
      return [];
    }
  };
  return { gateway, mapping, folder, kept };
}

/** Until it is mapped, or known not to be. */
async function settled({ mapping }: World): Promise<void> {
  await expect
    .poll(() => mapping.info()?.protocol ?? mapping.info()?.error, { timeout: 8000, interval: 10 })
    .toBeDefined();
}

async function at(behaviour: Behaviour): Promise<World & AsyncDisposable> {
  const gateway = await FakeGateway.start(behaviour);
  const world = await start(gateway);
  await settled(world);
  return {
    ...world,
    [Symbol.asyncDispose]: async () => {
      await world.mapping.close();
      await gateway[Symbol.asyncDispose]();
    },
  };
}

const endpoint = ({ mapping }: World): string | undefined =>
  mapping.endpoint && formatEndpoint(mapping.endpoint);

describe("a gateway", () => {
  it("that knows all three is asked by PCP alone, for a random port, and to remove it at the end", async () => {
    await using world = await at({ pcp: {}, natPmp: {}, upnp: {} });
    const { asked } = world.gateway;
    expect(asked).toMatchObject([{ protocol: "pcp", action: "map", internalPort: INTERNAL, leaseS: 7200 }]);
    const [{ externalPort = 0, nonce = "" } = {}] = asked;
    expect(externalPort).toBeGreaterThanOrEqual(1024);
    expect(endpoint(world)).toBe(`198.51.100.7:${externalPort}`);
    expect(world.kept()).toMatchObject([{ externalPort, isPermanent: false }]);
    await world.mapping.close();
    expect(asked.slice(1)).toMatchObject([
      { protocol: "pcp", action: "unmap", internalPort: INTERNAL, nonce },
    ]);
    expect(world.kept()).toEqual([]);
    expect(world.mapping.endpoint).toBeUndefined();
  });

  it("that gives another port than was wished for: that one is told, and the port inside stays what it is", async () => {
    await using world = await at({ pcp: { port: 4444 } });
    expect(endpoint(world)).toBe("198.51.100.7:4444");
    expect(world.mapping.info()).toMatchObject({ internalPort: INTERNAL, external: "198.51.100.7:4444" });
    world.mapping.again();
    await expect.poll(() => world.gateway.asked.length).toBe(2);
    expect(world.gateway.asked[1]).toMatchObject({ internalPort: INTERNAL, externalPort: 4444 });
  });

  it("that knows NAT-PMP alone", async () => {
    await using world = await at({ natPmp: {} });
    expect(world.mapping.info()).toMatchObject({ protocol: "nat-pmp" });
    expect(endpoint(world)).toBe(`198.51.100.7:${world.gateway.asked[0]?.externalPort}`);
    await world.mapping.close();
    expect(world.gateway.asked.at(-1)).toMatchObject({ action: "unmap", externalPort: 0 });
  });

  it("that refuses by one protocol is asked by the next", async () => {
    await using world = await at({ pcp: { result: 2 }, natPmp: { result: 2 }, upnp: {} });
    expect(world.mapping.info()).toMatchObject({ protocol: "upnp-igd" });
    expect(world.kept()).toHaveLength(1);
  });

  it("that is not there: why is said, and nothing is kept", async () => {
    await using world = await at({});
    expect(world.mapping.info()).toMatchObject({
      protocol: undefined,
      error: expect.stringContaining("maps no ports"),
    });
    expect(world.kept()).toEqual([]);
  });
});

describe("a gateway of UPnP that says", () => {
  it("718, in conflict: another random port is asked for", async () => {
    await using world = await at({ upnp: { errors: [718, 718] } });
    const ports = world.gateway.asked.map(({ externalPort }) => externalPort);
    expect(new Set(ports).size).toBe(3);
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(1024);
    expect(endpoint(world)).toBe(`198.51.100.7:${ports[2]}`);
    // Of the refused ones nothing stays.
    expect(world.kept()).toMatchObject([{ externalPort: ports[2] }]);
  });

  it("718 when it is to be renewed: there is another one at once, and the old one is gone", async () => {
    await using world = await at({ upnp: { errors: [0, 718] } });
    const before = endpoint(world);
    world.mapping.again();
    await expect.poll(() => world.gateway.asked.filter(({ action }) => action === "map").length).toBe(3);
    await expect.poll(() => endpoint(world) ?? before).not.toBe(before);
    expect(world.gateway.entries.size).toBe(1);
    expect(world.kept()).toHaveLength(1);
  });

  it("718 for ever: it is asked six times", async () => {
    await using world = await at({ upnp: { errors: new Array<number>(100).fill(718) } });
    expect(world.gateway.asked).toHaveLength(6);
    expect(world.mapping.info()?.error).toContain("718");
    expect(world.kept()).toEqual([]);
  });

  it.each([402, 725])("%i: a permanent mapping is made, and removed at the end", async (code) => {
    await using world = await at({ upnp: { errors: [code] } });
    expect(world.gateway.asked.map(({ leaseS }) => leaseS)).toEqual([7200, 0]);
    expect(world.kept()).toMatchObject([{ isPermanent: true }]);
    expect(world.mapping.info()?.endsAt).toBeUndefined();
    await world.mapping.close();
    expect(world.gateway.entries.size).toBe(0);
    expect(world.kept()).toEqual([]);
  });

  it("402 also to that: nothing is mapped", async () => {
    await using world = await at({ upnp: { errors: [402, 402] } });
    expect(world.mapping.info()).toMatchObject({
      protocol: undefined,
      error: expect.stringContaining("402"),
    });
  });

  it("724: the port outside is the one inside", async () => {
    await using world = await at({ upnp: { errors: [724] } });
    expect(endpoint(world)).toBe(`198.51.100.7:${INTERNAL}`);
  });
});

describe("what a gateway says", () => {
  it.each([
    ["0.0.0.0", undefined, undefined, false],
    ["127.0.0.1", undefined, undefined, false],
    ["224.0.0.1", undefined, undefined, false],
    ["255.255.255.255", undefined, undefined, false],
    ["169.254.1.1", undefined, undefined, false],
    ["192.168.1.7", undefined, "192.168.1.7:4444", true],
    ["100.64.1.7", undefined, "100.64.1.7:4444", true],
  ])("an address outside of %s is not told to peers", async (address, told, external, isHint) => {
    await using world = await at({ address, pcp: { port: 4444 } });
    expect(endpoint(world)).toBe(told);
    expect(world.mapping.info()).toMatchObject({ protocol: "pcp", external, isHint });
  });

  it.each([
    ["PCP", { pcp: { lifetimeS: 0 } }],
    ["NAT-PMP", { natPmp: { lifetimeS: 0 } }],
  ])("a lease of 0 s by %s is none", async (_, behaviour) => {
    await using world = await at(behaviour);
    expect(world.mapping.info()).toMatchObject({
      protocol: undefined,
      error: expect.stringContaining("nothing"),
    });
  });

  it("another lease than was asked for is believed", async () => {
    await using world = await at({ pcp: { lifetimeS: 60 } });
    const left = (world.mapping.info()?.endsAt ?? 0) - Date.now();
    expect(left).toBeGreaterThan(50_000);
    expect(left).toBeLessThan(61_000);
  });

  it.each([
    ["64 kB and more", `<root>${" ".repeat(70_000)}</root>`],
    ["an entity", '<!DOCTYPE root [<!ENTITY a "aaaa">]><root>&a;</root>'],
    ["no XML", "<html><body>Login</body>"],
    ["100 levels", `<root>${"<a>".repeat(100)}${"</a>".repeat(100)}</root>`],
    ["services that map nothing", "<root><service><serviceType>x</serviceType></service></root>"],
  ])("a description with %s is none", async (_, text) => {
    await using world = await at({ upnp: { description: text } });
    expect(world.mapping.info()).toMatchObject({ protocol: undefined, error: expect.anything() });
    expect(world.gateway.asked).toEqual([]);
  });

  it("a description on another host is asked of the gateway itself", async () => {
    await using world = await at({ upnp: { host: "192.0.2.9" } });
    expect(world.mapping.info()).toMatchObject({ protocol: "upnp-igd" });
    expect(new Set(world.gateway.hosts)).toEqual(new Set([`192.0.2.9:${world.gateway.httpPort}`]));
  });

  it("a redirect is not followed", async () => {
    await using elsewhere = await FakeGateway.start({ upnp: {} });
    await using world = await at({ upnp: { redirect: `http://127.0.0.1:${elsewhere.httpPort}/root.xml` } });
    expect(world.mapping.info()).toMatchObject({ protocol: undefined });
    expect(elsewhere.hosts).toEqual([]);
  });

  it("nothing, by HTTP: that lasts a second", async () => {
    const before = performance.now();
    await using world = await at({ upnp: { isSilent: true } });
    expect(world.mapping.info()).toMatchObject({ protocol: undefined });
    expect(performance.now() - before).toBeLessThan(6000);
  });

  it("what somebody else says in its place is not heard", async () => {
    // An answer to any NAT-PMP request for the address: 6.6.6.6.
    const stranger = Uint8Array.from([0, 0x80, 0, 0, 0, 0, 0, 1, 6, 6, 6, 6]);
    await using world = await at({ natPmp: {}, stranger });
    expect(endpoint(world)).toMatch(/^198\.51\.100\.7:/);
  });
});

describe("after a move to another gateway", () => {
  it("that one is asked at once, while the old one may be out of reach, and the end waits for both", async () => {
    await using world = await at({ pcp: { keeps: true } });
    const { asked } = world.gateway;
    // Another own address is another place, whoever the gateway is.
    world.mapping.want({ gateway: { ...GATEWAY, own: "127.0.0.3" }, internalPort: INTERNAL });
    await expect.poll(() => asked.filter(({ action }) => action === "map").length).toBe(2);
    const before = asked.slice(
      0,
      asked.findLastIndex(({ action }) => action === "map"),
    );
    // It asks the old one three times, for a second.
    expect(before.filter(({ action }) => action === "unmap").length).toBeLessThan(3);
    await world.mapping.close();
    expect(asked.filter(({ action }) => action === "unmap")).toHaveLength(6);
    // What was not removed stands in the file for the next time.
    expect(world.kept()).toHaveLength(2);
  });
});

describe("after a crash", () => {
  it("the mapping stands in the file before the gateway knows of it, and the next start has the same one", async () => {
    await using gateway = await FakeGateway.start({ pcp: {} });
    const folder = temporaryFolder();
    let keptThen: unknown;
    const first = await start(gateway, folder);
    gateway.onAsked = ({ externalPort }) => {
      keptThen ??= first.kept().map((one) => one.externalPort === externalPort);
    };
    await settled(first);
    expect(keptThen).toEqual([true]);
    // The first one ends without a word: it is left as it is. The second knows the file alone.
    const second = await start(gateway, folder);
    await settled(second);
    const [one, other] = gateway.asked;
    expect(other).toEqual(one);
  });

  it("one that is wanted no more is removed, unless it is somebody else's by now", async () => {
    await using gateway = await FakeGateway.start({ upnp: {} });
    const folder = temporaryFolder();
    await settled(await start(gateway, folder));
    const [old = 0] = gateway.entries.keys();
    const next = await start(gateway, folder, INTERNAL + 1);
    await settled(next);
    expect([...gateway.entries.values()].map(({ port }) => port)).toEqual([INTERNAL + 1]);
    const [newer = 0] = gateway.entries.keys();
    expect(newer).not.toBe(old);
    // Another host has this port now.
    gateway.entries.set(newer, { client: "192.168.1.99", port: 7, leaseS: 0 });
    await settled(await start(gateway, folder, INTERNAL + 2));
    expect(gateway.entries.get(newer)).toMatchObject({ client: "192.168.1.99" });
  });
});

/** Time that has passed on the monotonic clock without a test waiting for it. */
function skipped(): { by(ms: number): void } {
  const now = performance.now.bind(performance);
  let skippedMs = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now() + skippedMs);
  return {
    by: (ms) => {
      skippedMs += ms;
    },
  };
}

describe("a gateway that says something to all", () => {
  afterEach(() => void vi.restoreAllMocks());

  it.each(["pcp", "nat-pmp"] as const)(
    "has restarted: by %s, the mapping is asked for at once",
    async (protocol) => {
      const time = skipped();
      await using world = await at(protocol === "pcp" ? { pcp: {} } : { natPmp: {} });
      const { gateway } = world;
      time.by(60_000);
      gateway.epochS += 60;
      await gateway.announce(protocol);
      gateway.epochS = 1;
      await gateway.announce(protocol, "a stranger");
      await delay(50);
      expect(gateway.asked).toHaveLength(1);
      await gateway.announce(protocol);
      await expect.poll(() => gateway.asked.length, { interval: 5 }).toBe(2);
      expect(gateway.asked[1]).toEqual(gateway.asked[0]);
    },
  );

  it("has another address outside: it is told", async () => {
    const time = skipped();
    await using world = await at({ natPmp: {}, address: "198.51.100.7" });
    const { gateway } = world;
    time.by(60_000);
    gateway.epochS += 60;
    gateway.behaviour = { ...gateway.behaviour, address: "198.51.100.8" };
    await gateway.announce("nat-pmp");
    await expect.poll(() => endpoint(world), { interval: 5 }).toMatch(/^198\.51\.100\.8:/);
  });

  it("says another thing a thousand times: it is asked once in 5 s", async () => {
    const time = skipped();
    await using world = await at({ pcp: {} });
    const { gateway } = world;
    time.by(60_000);
    for (let i = 0; i < 1000; i++) {
      gateway.epochS = i % 2 === 0 ? 1 : 1_000_000;
      await gateway.announce("pcp");
    }
    await expect.poll(() => gateway.asked.length, { interval: 5, timeout: 4000 }).toBe(2);
    gateway.epochS = 1;
    await gateway.announce("pcp");
    await delay(100);
    expect(gateway.asked).toHaveLength(2);
  });
});
