import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { Host, Lab, LongRunning } from "../../lab/index.js";
import { Daemon } from "../support/daemon.js";
import type { HostileMember } from "../support/hostile-member.js";
import { LabMember, until } from "../support/lab-member.js";
import { memoryOf } from "../support/memory.js";
import { makeMembers } from "../support/mesh-lab.js";
import { withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

const PROGRAM = fileURLToPath(new URL("../support/hostile-member.ts", import.meta.url));
const TSX = fileURLToPath(new URL("../../../node_modules/tsx/dist/cli.mjs", import.meta.url));

/** WireGuard's own is another one: so nothing that comes here is from it. */
const PORT = 4000;

const ATTACKS = ["announce", "relay", "roster", "junk", "malformed", "probe"] as const;

/** How long a busy machine may take for what is done in seconds else, ms. */
const PATIENCE_MS = 120_000;

/** A heap grows until it is collected, so some rounds add to it. A leak adds to it in every round. */
const ROUNDS = 6;
/** What a daemon may take in its second calmest round, MiB: about 1 kB for each message. One round may have collected. */
const MAX_GROWTH = 4;
/** Without an answer through the tunnel of two others, ms. */
const MAX_GAP_MS = 2000;
/** Probes of one host to one address, whoever has named it. */
const [PER_SECOND, AT_ONCE] = [16, 32];

/** A member in a process of its own, which says what it likes. */
class Hostile {
  readonly #process: LongRunning;
  #done = 0;

  private constructor(process: LongRunning) {
    this.#process = process;
  }

  static async start(host: Host, about: Omit<HostileMember, "address" | "port">): Promise<Hostile> {
    const config: HostileMember = { ...about, address: host.address(), port: PORT };
    const process = host.spawn([globalThis.process.execPath, TSX, PROGRAM, JSON.stringify(config)]);
    await process.wrote(/^ready$/m, PATIENCE_MS);
    return new Hostile(process);
  }

  /** @returns what it has sent, headers of IP and UDP included */
  async attack(name: string, ms: number, perSecond = 0): Promise<{ packets: number; bytes: number }> {
    this.#process.write(`${name} ${ms} ${perSecond}\n`);
    const sent = new RegExp(`^sent (\\d+) (\\d+) by .*, attack ${++this.#done}$`, "m");
    const [, packets, bytes] = await this.#process.wrote(sent, PATIENCE_MS);
    return { packets: Number(packets), bytes: Number(bytes) };
  }
}

function hostileOf(lab: Lab, privateKey: string, peers: readonly { host: Host; publicKey: string }[]) {
  return {
    privateKey,
    broker: lab.brokers[0]?.address.IPv4 ?? "",
    peers: peers.map(({ host, publicKey }) => ({ publicKey, address: host.address(), port: 51_820 })),
  };
}

/** Counts the UDP packets that come to a host, and their bytes with all headers. */
async function countUdp(host: Host): Promise<() => Promise<{ packets: number; bytes: number }>> {
  await host.namespace.set({
    nft: [
      "table inet seen {",
      " counter came {}",
      " chain incoming {",
      "  type filter hook input priority 0",
      "  meta l4proto udp counter name came",
      " }",
      "}",
    ].join("\n"),
  });
  return async () => {
    const text = await host.run(["nft", "list", "counter", "inet", "seen", "came"]);
    const [, packets, bytes] = /packets (\d+) bytes (\d+)/.exec(text) ?? [];
    return { packets: Number(packets), bytes: Number(bytes) };
  };
}

withLab("a malicious member", (startLab) => {
  it("costs others neither their path nor memory, and does not have them flood a third", {
    timeout: 400_000,
  }, async () => {
    await using lab = await startLab({ hosts: { ha: {}, hb: {}, hm: {}, hv: {} }, brokers: 1, stun: true });
    const { ha, hb, hm } = await makeMembers(lab, ["ha", "hb", "hm"]);
    if (ha === undefined || hb === undefined || hm === undefined) throw new Error("there are no such hosts");
    const daemons = [
      Daemon.start(lab, ha.host, ha.wireguard, { more: ["--relay"] }),
      Daemon.start(lab, hb.host, hb.wireguard),
    ];
    const [da] = daemons;
    const { path } = (await da?.until(hb.publicKey, ({ state }) => state === "direct", 60_000)) ?? {};
    const ping = PingStream.start(ha.host, hb.address);
    const startedAt = await ping.answerAfter(Date.now());
    const peersBefore = await ha.wireguard.show("peers");

    // In the tunnel it is itself, and nobody else.
    await hm.wireguard.set("peer", ha.publicKey, "endpoint", `${ha.host.address()}:51820`);
    await hm.host.run(["ip", "address", "add", `${hb.address}/32`, "dev", hm.wireguard.interface]);
    const reaches = async (from: string): Promise<boolean> =>
      (await hm.host.tryRun(["ping", "-n", "-c3", "-W1", "-I", from, ha.address])).code === 0;
    await until(async () => await reaches(hm.address), 30_000);
    expect(await reaches(hb.address)).toBe(false);
    await hm.host.run(["ip", "address", "del", `${hb.address}/32`, "dev", hm.wireguard.interface]);

    const victim = lab.host("hv");
    const seen = await countUdp(victim);
    const privateKey = (await hm.wireguard.show("private-key")).trim();
    const hostile = await Hostile.start(hm.host, {
      ...hostileOf(lab, privateKey, [ha, hb]),
      named: [
        victim.address(),
        victim.address(),
        victim.address(),
        ha.address,
        hb.address,
        ha.host.address(),
      ],
    });
    // What one announce to each of the two comes to, and what as many as can be sent do.
    for (const [ms, perSecond] of [
      [1000, 2],
      [10_000, 200],
    ] as const) {
      const [before, since] = [await seen(), performance.now()];
      const sent = await hostile.attack("announce", ms, perSecond);
      // Until the round that it has caused is over.
      await until(async () => performance.now() - since > ms + 5000, ms + 10_000);
      const [after, seconds] = [await seen(), (performance.now() - since) / 1000];
      const [packets, bytes] = [after.packets - before.packets, after.bytes - before.bytes];
      console.log(
        `announces with 32 candidates: ${sent.packets} packets, ${sent.bytes} bytes in; at the victim, from two hosts in ` +
          `${seconds.toFixed(0)} s: ${packets} packets, ${bytes} bytes: ${(bytes / sent.bytes).toFixed(2)} bytes out for one in`,
      );
      expect(packets).toBeGreaterThan(0);
      expect(packets).toBeLessThanOrEqual(2 * (AT_ONCE + PER_SECOND * seconds));
    }

    const memory = [daemons.map(({ process }) => memoryOf(process.pid))];
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of ATTACKS) await hostile.attack(name, 1500, 400);
      const { packets } = await hostile.attack("broker", 1500);
      expect(packets).toBeGreaterThan(3);
      memory.push(daemons.map(({ process }) => memoryOf(process.pid)));
    }
    const growth = daemons.map((_, i) =>
      memory.slice(1).map((now, round) => (now[i] ?? 0) - (memory[round]?.[i] ?? 0)),
    );
    console.log(
      `MiB more in each round: ${growth.map((rounds) => rounds.map((one) => one.toFixed(1)).join(" ")).join("; ")}; ` +
        `longest gap ${ping.longestGap(startedAt).toFixed(0)} ms`,
    );
    for (const rounds of growth) expect(rounds.toSorted((a, b) => a - b)[1]).toBeLessThan(MAX_GROWTH);
    expect(ping.longestGap(startedAt)).toBeLessThan(MAX_GAP_MS);
    await ping.stop();
    expect(await ha.wireguard.show("peers")).toBe(peersBefore);
    const { peers = [] } = (await da?.status()) ?? {};
    expect(peers.find(({ publicKey }) => publicKey === hb.publicKey)).toMatchObject({
      ...{ state: "direct", path: { endpoint: path?.endpoint } },
    });
    const endpoints = await ha.wireguard.show("endpoints");
    expect(endpoints).not.toContain(victim.address());
  });

  it("is out once it is removed, whatever it goes on to say, and with whatever key", {
    timeout: 400_000,
  }, async () => {
    await using lab = await startLab({ hosts: { ha: {}, hb: {}, hm: {} }, brokers: 1, stun: true });
    const [a, b, m] = ["ha", "hb", "hm"].map((name) => new LabMember(lab, name)) as [
      LabMember,
      LabMember,
      LabMember,
    ];
    const token = await a.found("--uses", "9");
    for (const one of [b, m]) {
      one.patienceMs = PATIENCE_MS;
      one.join(token);
      await one.ready();
    }
    await until(() => m.canReach("10.9.0.2"), 60_000);
    const { id, members } = await a.network();
    const keyOf = (wanted: string): string => members.find(({ name }) => name === wanted)?.publicKey ?? "";
    const removed = keyOf("hm");
    // Its own program has ended; WireGuard goes on with the peers that it had.
    m.kill();
    const privateKey = readFileSync(join(m.stateFolder, `${m.host.interface}.key`), "utf8").trim();
    const hostile = await Hostile.start(m.host, {
      ...hostileOf(lab, privateKey, [
        { host: a.host, publicKey: keyOf("ha") },
        { host: b.host, publicKey: keyOf("hb") },
      ]),
      ...{ named: [b.host.address(), "10.9.0.2"], network: id },
    });
    // As a member it changes nothing of the roster.
    await hostile.attack("roster", 2000, 200);
    await hostile.attack("broker", 2000);
    for (const one of [a, b]) expect(await one.names()).toEqual(["ha", "hb", "hm"]);

    await a.ask("remove", "hm");
    const isOut = async (): Promise<boolean> =>
      ![...(await a.peers()), ...(await b.peers())].includes(removed);
    await until(isOut, 30_000);
    for (const name of [...ATTACKS, "broker"]) {
      await hostile.attack(name, 1000, 200);
      expect(await isOut(), name).toBe(true);
    }
    expect([await m.canReach("10.9.0.1"), await m.canReach("10.9.0.2")]).toEqual([false, false]);
    // Its token, with another key: the invitation has ended with the removal.
    const again = await m.run([
      ...["join", token, "--interface", "new0", "--name", "other", "--state", join(lab.folder, "new")],
    ]);
    expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/this token has been used up/)]);
    for (const one of [a, b]) expect(await one.names()).toEqual(["ha", "hb"]);
    await until(() => a.canReach("10.9.0.2"), 30_000);
  });
});

withLab("another user of the machine", (startLab) => {
  it("gets neither to what is remembered nor to the socket", async () => {
    await using lab = await startLab({ hosts: { ha: {}, hb: {} }, brokers: 1 });
    const { ha } = await makeMembers(lab, ["ha", "hb"]);
    if (ha === undefined) throw new Error("there is no such host");
    const stateFolder = join(lab.folder, "state");
    const daemon = Daemon.start(lab, ha.host, ha.wireguard, { stateFolder });
    await daemon.ready();
    const asNobody = async (...argv: readonly string[]): Promise<string> => {
      const user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
      const { code, stdout, stderr } = await ha.host.tryRun([...user, ...argv]);
      return code === 0 ? stdout : stderr;
    };
    chmodSync(lab.folder, 0o755);
    expect(await asNobody("ls", lab.folder)).toMatch(/^state$/m);
    const name = ha.wireguard.interface;
    for (const path of [stateFolder, join(stateFolder, `${name}.json`), `/run/sidewire-mesh/${name}.sock`])
      expect(await asNobody("ls", path)).toMatch(/permission denied/i);
    await daemon.stop();
  });
});
