import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import type { NatOptions } from "../../lab/index.js";
import { Daemon } from "../support/daemon.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

const RESTRICTED: NatOptions = { kind: "port-restricted" };

/** Each behind a NAT of its own, with a second uplink behind another one. */
const MOVING = ["h1", "h2", "h3", "h4"];

/** In the open, and consents to relay. */
const STAYING = "hr";

/** How long a tunnel may be interrupted by a host that moves, ms. */
const BACK_MS = 15_000;

withLab("a mesh of five whose brokers are dead for good", { concurrent: true }, (startLab) => {
  it("survives every host's switch of its uplink, one after the other, and a restart", {
    timeout: 180_000,
  }, async () => {
    await using lab = await startLab({
      nats: Object.fromEntries(
        MOVING.flatMap((name) => [`${name}a`, `${name}b`]).map((nat) => [nat, RESTRICTED]),
      ),
      hosts: {
        [STAYING]: {},
        ...Object.fromEntries(MOVING.map((name) => [name, { behind: [`${name}a`, `${name}b`] }])),
      },
      brokers: 2,
      stun: true,
    });
    const members = await makeMembers(lab, [STAYING, ...MOVING]);
    const member = (name: string): Member => members[name] ?? expect.fail(name);
    const othersOf = (name: string): Member[] =>
      [STAYING, ...MOVING].filter((other) => other !== name).map(member);
    const start = (name: string, stateFolder?: string): Daemon =>
      Daemon.start(lab, member(name).host, member(name).wireguard, {
        ...(stateFolder === undefined ? {} : { stateFolder }),
        ...(name === STAYING ? { more: ["--relay"] } : {}),
      });
    const daemons = new Map([STAYING, ...MOVING].map((name) => [name, start(name)]));
    const daemon = (name: string): Daemon => daemons.get(name) ?? expect.fail(name);
    const meets = (name: string, state: RegExp): Promise<unknown> =>
      Promise.all(
        othersOf(name).map(({ publicKey }) =>
          daemon(name).until(publicKey, (peer) => state.test(peer.state), 30_000),
        ),
      );
    await Promise.all([STAYING, ...MOVING].map((name) => meets(name, /^direct$/)));
    await Promise.all(lab.brokers.map((broker) => broker.kill()));

    for (const name of MOVING) {
      const pings = othersOf(name).map(({ address }) => PingStream.start(member(name).host, address));
      await Promise.all(pings.map((ping) => ping.answerAfter(Date.now())));
      await member(name).host.down("eth0");
      const since = Date.now();
      // Answers to what was on its way do not count.
      const back = await Promise.all(pings.map((ping) => ping.answerAfter(since + 200, BACK_MS)));
      console.log(
        `${name} moved: ${back.map((at) => Math.round(at - since)).join(", ")} ms until each of the others`,
      );
      for (const at of back) expect(at - since).toBeLessThan(BACK_MS);
      await Promise.all(pings.map((ping) => ping.stop()));
    }

    const [name = ""] = MOVING;
    const { stateFolder } = daemon(name);
    await daemon(name).stop();
    daemons.set(name, start(name, stateFolder));
    const startedAt = Date.now();
    await meets(name, /^(direct|relayed)$/);
    console.log(`${name} restarted: ${Date.now() - startedAt} ms until all of the others`);
    for (const { address } of othersOf(name)) {
      const ping = PingStream.start(member(name).host, address);
      await ping.answerAfter(Date.now(), BACK_MS);
      await ping.stop();
    }
  });
});

/** How long a restarted host without a direct way to another may take to be relayed, ms. */
const RELAYED_MS = 5_000;

withLab(
  "two hosts behind symmetric NATs whose brokers are dead for good",
  { concurrent: true },
  (startLab) => {
    it("are relayed again soon after a restart of the one, and of the other", {
      timeout: 120_000,
    }, async () => {
      await using lab = await startLab({
        nats: { a: { kind: "symmetric" }, b: { kind: "symmetric" } },
        hosts: { ha: { behind: "a" }, hb: { behind: "b" }, hr: {} },
        brokers: 2,
        stun: true,
      });
      const {
        ha = expect.fail(),
        hb = expect.fail(),
        hr = expect.fail(),
      } = await makeMembers(lab, ["ha", "hb", "hr"]);
      const start = ({ host, wireguard }: Member, stateFolder?: string): Daemon =>
        Daemon.start(lab, host, wireguard, stateFolder === undefined ? {} : { stateFolder });
      Daemon.start(lab, hr.host, hr.wireguard, { more: ["--relay"] });
      let [da, db] = [start(ha), start(hb)];
      const areRelayed = async (): Promise<void> => {
        const isRelayed = ({ state }: { readonly state: string }): boolean => state === "relayed";
        await Promise.all([
          da.until(hb.publicKey, isRelayed, 30_000),
          db.until(ha.publicKey, isRelayed, 30_000),
        ]);
      };
      await areRelayed();
      await Promise.all(lab.brokers.map((broker) => broker.kill()));
      for (const who of ["a", "b"]) {
        await (who === "a" ? da : db).stop();
        if (who === "a") da = start(ha, da.stateFolder);
        else db = start(hb, db.stateFolder);
        const since = Date.now();
        await areRelayed();
        const took = Date.now() - since;
        console.log(`${who} restarted: relayed after ${took} ms`);
        expect(took).toBeLessThan(atOurPace(RELAYED_MS));
      }
    });
  },
);
