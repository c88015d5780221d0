import { expect, it } from "vitest";
import type { PeerInfo } from "../../src/info.js";
import { Daemon } from "../support/daemon.js";
import { makeMembers } from "../support/mesh-lab.js";
import { withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

/** From the daemon's return until the pair is relayed again, ms. */
const RELAYED_MS = 15_000;
/** From the broker's return until two hosts have met, ms: it is dialled again within 30 s, if nothing tells of it. */
const MET_MS = 45_000;

const isRelayed = ({ state }: PeerInfo): boolean => state === "relayed";
const isDirect = ({ state }: PeerInfo): boolean => state === "direct";

withLab("what others need starts again", { concurrent: true }, (startLab) => {
  it("a relay that was killed: its pairs are relayed again when it is back", {
    timeout: 120_000,
  }, async () => {
    await using lab = await startLab({
      nats: { a: { kind: "symmetric" }, b: { kind: "symmetric" } },
      hosts: { ha: { behind: "a" }, hb: { behind: "b" }, hr: {} },
      brokers: 1,
      stun: true,
    });
    const {
      ha = expect.fail(),
      hb = expect.fail(),
      hr = expect.fail(),
    } = await makeMembers(lab, ["ha", "hb", "hr"]);
    const relay = (stateFolder?: string): Daemon =>
      Daemon.start(lab, hr.host, hr.wireguard, {
        more: ["--relay"],
        ...(stateFolder === undefined ? {} : { stateFolder }),
      });
    const dr = relay();
    const [da, db] = [Daemon.start(lab, ha.host, ha.wireguard), Daemon.start(lab, hb.host, hb.wireguard)];
    await Promise.all([da.until(hb.publicKey, isRelayed, 30_000), db.until(ha.publicKey, isRelayed, 30_000)]);
    const ping = PingStream.start(ha.host, hb.address);
    await ping.answerAfter(Date.now());
    await dr.process.kill();
    await da.until(hb.publicKey, ({ state }) => state === "lost", 30_000);
    const again = relay(dr.stateFolder);
    await again.ready();
    const since = Date.now();
    const answeredAt = await ping.answerAfter(since, RELAYED_MS);
    console.log(`a killed relay is back: an answer after ${Math.round(answeredAt - since)} ms`);
    await ping.stop();
    expect((await again.status()).relaying).toMatchObject([{ isOpen: true }]);
  });

  it("the only broker: two hosts that have not met do so when it is back", { timeout: 120_000 }, async () => {
    await using lab = await startLab({
      nats: { a: { kind: "port-restricted" }, b: { kind: "port-restricted" } },
      hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
      brokers: 1,
      stun: true,
    });
    const { ha = expect.fail(), hb = expect.fail() } = await makeMembers(lab, ["ha", "hb"]);
    const [broker = expect.fail()] = lab.brokers;
    await broker.kill();
    const [da, db] = [Daemon.start(lab, ha.host, ha.wireguard), Daemon.start(lab, hb.host, hb.wireguard)];
    await Promise.all([da.ready(), db.ready()]);
    expect((await da.status()).peers).toMatchObject([{ state: "unmet" }]);
    await broker.start();
    const since = Date.now();
    const { time } = await da.until(hb.publicKey, isDirect, MET_MS);
    console.log(`the only broker is back: met after ${time - since} ms`);
    // What is met stays met, whether or not the broker is there.
    await broker.restart();
    const ping = PingStream.start(ha.host, hb.address);
    await ping.answerAfter(Date.now());
    await ping.stop();
  });
});
