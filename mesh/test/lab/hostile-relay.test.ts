import { expect, it } from "vitest";
import type { PeerInfo } from "../../src/info.js";
import { Daemon } from "../support/daemon.js";
import { IS_NO_PROBE } from "../support/losses.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

/** Which of the packets that a relay should pass on are lost: all go out by its tunnel, as facts do, which are not meant. */
const LOST = {
  "lets probes pass, and drops WireGuard's packets": IS_NO_PROBE,
  "passes nothing on": "",
} as const;

/** How long a pair may take to be with another relay once data flows, ms: twice what was measured. */
const AWAY_MS = 60_000;

withLab("a relay whose owner", (startLab) => {
  it.each(Object.entries(LOST))("%s is left for another one", { timeout: 180_000 }, async (_, lost) => {
    await using lab = await startLab({
      nats: { a: { kind: "symmetric" }, b: { kind: "symmetric" } },
      hosts: { ha: { behind: "a" }, hb: { behind: "b" }, h1: {}, h2: {} },
      brokers: 1,
      stun: true,
    });
    const members = await makeMembers(lab, ["ha", "hb", "h1", "h2"]);
    const member = (name: string): Member => members[name] ?? expect.fail(name);
    const [ha, hb, h1, h2] = ["ha", "hb", "h1", "h2"].map(member) as [Member, Member, Member, Member];
    for (const { host, wireguard } of [h1, h2]) Daemon.start(lab, host, wireguard, { more: ["--relay"] });
    const [da, db] = [ha, hb].map(({ host, wireguard }) => Daemon.start(lab, host, wireguard)) as [
      Daemon,
      Daemon,
    ];
    const isBy =
      (relay: string) =>
      ({ path }: PeerInfo): boolean =>
        path?.relay === relay;
    // Whichever was there first: both are as good as the other.
    const { path } = await da.until(hb.publicKey, ({ state }) => state === "relayed", 30_000);
    const [hostile, honest] = path?.relay === h1.publicKey ? [h1, h2] : [h2, h1];
    await db.until(ha.publicKey, isBy(hostile.publicKey), 30_000);
    const ping = PingStream.start(ha.host, hb.address);
    await ping.answerAfter(Date.now());

    const out = `oifname "${hostile.wireguard.interface}" meta l4proto udp udp dport != 21842`;
    await hostile.host.namespace.set({
      nft: [
        "table inet hostile {",
        " chain outgoing {",
        "  type filter hook output priority 0",
        `  ${out} ${lost} counter drop`,
        " }",
        "}",
      ].join("\n"),
    });
    const since = Date.now();
    await Promise.all([
      da.until(hb.publicKey, isBy(honest.publicKey), AWAY_MS),
      db.until(ha.publicKey, isBy(honest.publicKey), AWAY_MS),
    ]);
    const relayedAt = Date.now();
    const answeredAt = await ping.answerAfter(relayedAt, 10_000);
    console.log(
      `with another relay after ${relayedAt - since} ms, an answer ${Math.round(answeredAt - relayedAt)} ms later`,
    );
    await ping.stop();
    const rules = await hostile.host.run(["nft", "list", "table", "inet", "hostile"]);
    expect(rules).toMatch(/counter packets [1-9]/);
    // It stays away, although probes pass there.
    expect(da.last(hb.publicKey)?.path?.relay).toBe(honest.publicKey);
  });
});
