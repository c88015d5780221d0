import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import { LAN_PORT } from "../../src/lan/lan-places.js";
import { Daemon } from "../support/daemon.js";
import { makeMembers } from "../support/mesh-lab.js";
import { withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

/** How soon a daemon sees a change, ms: it looks half a second after the first sign. */
const SEEN_MS = 3000;

withLab("rules for the choice of a table", (startLab) => {
  it("lead a host to its other uplink without any change of a route, and the daemon sees it", async () => {
    await using lab = await startLab({
      nats: {
        a: { kind: "port-restricted" },
        a2: { kind: "port-restricted" },
        b: { kind: "port-restricted" },
      },
      hosts: { ha: { behind: ["a", "a2"] }, hb: { behind: "b" } },
      brokers: 1,
      stun: true,
    });
    const { ha, hb } = await makeMembers(lab, ["ha", "hb"]);
    if (ha === undefined || hb === undefined) throw new Error("no members");
    // The table is there, and nobody asks it.
    const [gateway] = /192\.168\.\d+\./.exec(ha.host.address("eth1")) ?? [];
    await ha.host.run(["ip", "route", "add", "default", "via", `${gateway}1`, "dev", "eth1", "table", "77"]);
    const da = Daemon.start(lab, ha.host, ha.wireguard);
    const db = Daemon.start(lab, hb.host, hb.wireguard);
    await da.until(hb.publicKey, ({ state }) => state === "direct");
    await db.until(ha.publicKey, ({ state }) => state === "direct");
    const ping = PingStream.start(ha.host, hb.address);
    await ping.answerAfter(Date.now());
    const rule = `udp dport ${LAN_PORT} counter`;
    await ha.host.namespace.set({
      nft: `table ip called {\nchain out {\ntype filter hook output priority 0;\n${rule}\n}\n}`,
    });
    /** How often peers were called on the LANs. Nothing but a move makes a host call a peer that it reaches. */
    const called = async (): Promise<number> =>
      Number(/packets (\d+)/.exec(await ha.host.run(["nft", "list", "table", "ip", "called"]))?.[1]);
    // What belongs to the start is over.
    let before = -1;
    const isStill = async (): Promise<boolean> => {
      const [last, now] = [before, await called()];
      before = now;
      return last === now;
    };
    await expect.poll(isStill, { interval: 2500, timeout: 30_000 }).toBe(true);

    const rules = ["rule add lookup main suppress_prefixlength 0 pref 80", "rule add lookup 77 pref 90"];
    const since = Date.now();
    await ha.host.namespace.set({ ip: rules });
    expect(await ha.host.run(["ip", "route", "get", hb.host.address()])).toContain("dev eth1");
    await expect.poll(called, { timeout: atOurPace(SEEN_MS) }).toBeGreaterThan(before);
    const back = await ping.answerAfter(Date.now(), atOurPace(10_000));
    console.log(
      `seen and back after ${Math.round(back - since)} ms, longest gap ${ping.longestGap(since, back)} ms`,
    );
    const other = lab.nat("a2").outside[0] ?? expect.fail("no address");
    await db.until(ha.publicKey, ({ path }) => path?.endpoint.includes(other) === true, 30_000);
    await ping.stop();
  }, 120_000);
});
