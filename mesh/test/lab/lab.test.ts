import { readdirSync } from "node:fs";
import { expect, it } from "vitest";
import { withLab } from "../support/needs.js";

withLab("a lab", (startLab) => {
  it("connects hosts behind NATs with the servers in the middle, and is gone afterwards", async () => {
    const namespaces = readdirSync("/run/netns").length;
    {
      await using lab = await startLab({
        nats: { a: { kind: "port-restricted" }, b: { kind: "symmetric" } },
        hosts: { ha: { behind: "a" }, hb: { behind: "b" }, hc: {} },
        family: "both",
        brokers: 2,
        stun: true,
      });
      const [ha, hb, hc] = ["ha", "hb", "hc"].map((name) => lab.host(name));
      for (const host of [ha, hb])
        for (const address of ["203.0.113.1", "2001:db8:ffff::2", hc?.address(), hc?.address6()])
          expect(await host?.canPing(address ?? "")).toBe(true);
      expect(await ha?.canPing(hb?.address() ?? "")).toBe(false);
      expect(await ha?.canPing(hb?.address6() ?? "")).toBe(false);
    }
    expect(readdirSync("/run/netns").length).toBe(namespaces);
  });

  it("fails at its end when a packet with an overlay address was seen outside", async () => {
    const lab = await startLab({ nats: { a: { kind: "full-cone" } }, hosts: { ha: { behind: "a" } } });
    await lab.host("ha").tryRun(["ping", "-n", "-c2", "-i0.01", "-W0.1", "10.9.0.2"]);
    await expect(lab[Symbol.asyncDispose]()).rejects.toThrow("a, wan: 2 × 192.168.1.2 → 10.9.0.2 (icmp)");
  });
});
