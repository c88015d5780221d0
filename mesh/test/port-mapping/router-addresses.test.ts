import { describe, expect, it } from "vitest";
import { MeshError } from "../../src/errors.js";
import type { Gateway } from "../../src/port-mapping/gateway.js";
import { RouterAddresses } from "../../src/port-mapping/router-addresses.js";

const GATEWAY: Gateway = { family: 6, address: "fe80::1", device: "eth0", own: "2001:db8:1::2" };
const [ROUTER, STRANGER] = ["02:00:00:00:00:01", "02:00:00:00:00:09"];

/** A kernel that knows neighbours, some of them only once something was sent there. */
function kernel(known: Readonly<Record<string, string>>, late: Readonly<Record<string, string>> = {}) {
  const touched: string[] = [];
  const ran: string[] = [];
  const addresses = new RouterAddresses(GATEWAY, {
    touch: (address) => void touched.push(address),
    runner: {
      run: async ({ program, args }) => {
        ran.push([program, ...args].join(" "));
        const found = Object.entries({ ...known, ...(ran.length > 1 ? late : {}) });
        return JSON.stringify(found.map(([dst, lladdr]) => ({ dst, lladdr, state: ["STALE"] })));
      },
    },
  });
  return { addresses, touched, ran };
}

describe("an address", () => {
  it("is the router's when both have one link-layer address, which the kernel is made to ask for", async () => {
    const { addresses, touched, ran } = kernel({ "fe80::1": ROUTER }, { "2001:db8:1::1": ROUTER });
    expect(await addresses.has("2001:db8:1::1", 0)).toBe(true);
    expect(touched).toEqual(["2001:db8:1::1"]);
    expect(ran[0]).toBe("ip -j -6 neigh show dev eth0");
    // It is remembered.
    const { length } = ran;
    expect(await addresses.has("2001:db8:1::1", 0)).toBe(true);
    expect(ran).toHaveLength(length);
  });

  it("is not when it is another host's, or nobody's, or the router is not known there", async () => {
    const { addresses } = kernel({ "fe80::1": ROUTER, "2001:db8:1::9": STRANGER });
    expect(await addresses.has("2001:db8:1::9", 0)).toBe(false);
    expect(await addresses.has("2001:db8:1::8", 0)).toBe(false);
    expect(await kernel({ "2001:db8:1::9": ROUTER }).addresses.has("2001:db8:1::9", 0)).toBe(false);
  });

  it("has its interface when it is a link-local one, and there alone it is the router's", async () => {
    const { addresses } = kernel({ "fe80::1": ROUTER, "fe80::2": ROUTER });
    expect(await addresses.has("fe80::2%eth1", 0)).toBe(false);
    expect(await addresses.has("fe80::2%eth0", 0)).toBe(true);
  });

  it("is looked at within limits: anybody can send from many", async () => {
    const { addresses, touched } = kernel({ "fe80::1": ROUTER, "2001:db8:1::1": ROUTER });
    const strangers = Array.from({ length: 100 }, (_, i) => `2001:db8:1::${(i + 16).toString(16)}`);
    const found = await Promise.all(strangers.map((one) => addresses.has(one, 0)));
    expect(found).not.toContain(true);
    expect(touched).toHaveLength(4);
    expect(await addresses.has("2001:db8:1::1", 0)).toBe(false);
    expect(await addresses.has("2001:db8:1::1", 1000)).toBe(true);
  });

  it("is not when the system shows no neighbours", async () => {
    const runner = { run: () => Promise.reject(new MeshError("MISSING_PROGRAM", "ip is not there")) };
    const addresses = new RouterAddresses(GATEWAY, { touch: () => {}, runner });
    expect(await addresses.has("2001:db8:1::1", 0)).toBe(false);
  });

  it("of IPv4 is the one that is known", async () => {
    const gateway: Gateway = { family: 4, address: "192.168.1.1", device: "eth0", own: "192.168.1.2" };
    const touched: string[] = [];
    const addresses = new RouterAddresses(gateway, { touch: (address) => void touched.push(address) });
    expect(await addresses.has("192.168.1.9", 0)).toBe(false);
    expect(touched).toEqual([]);
  });
});
