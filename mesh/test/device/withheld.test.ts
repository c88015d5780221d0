import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { noChanges, type WithheldRecords } from "../../src/device/changes.js";
import { formatCommand } from "../../src/device/command.js";
import { Device } from "../../src/device/device.js";
import { incarnationOf } from "../../src/device/incarnation.js";
import { Ledger } from "../../src/device/ledger.js";
import { planLinkLocals } from "../../src/device/link-locals.js";
import { renewPeer } from "../../src/device/plan.js";
import type { DevicePeer, DeviceState } from "../../src/device/state.js";
import { planWithheld, stillWithheld, withOwned } from "../../src/device/withheld.js";
import { formatPrefix, type Prefix, parsePrefix } from "../../src/ip/prefix.js";
import { linkLocalAddress } from "../../src/overlay/link-local.js";
import { formatKey, parseKey } from "../../src/wireguard-key.js";
import { newHostKeys } from "../support/keys.js";
import { parseLedger, programsThatShow } from "../support/scripted-programs.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const own = newHostKeys();
const [B, C] = [newHostKeys(), newHostKeys()].map(({ publicKey }) => formatKey(publicKey)) as [
  string,
  string,
];
const LINK_LOCAL = `${linkLocalAddress(parseKey(B))}/128`;
const [X, Y, Z] = ["10.9.0.2/32", "10.8.0.2/32", "10.9.0.9/32"] as const;

const prefixes = (...texts: readonly string[]): Prefix[] => texts.flatMap((text) => parsePrefix(text) ?? []);
const texts = (some: readonly Prefix[] | undefined): string[] | undefined => some?.map(formatPrefix);

function state(shown: Readonly<Record<string, readonly string[]>>): DeviceState {
  const peers = Object.entries(shown).map(
    ([publicKey, ips]): DevicePeer => ({
      ...{ publicKey, presharedKey: undefined, endpoint: undefined, endpointText: undefined },
      ...{ lastHandshake: undefined, receivedBytes: 0, sentBytes: 0, keepaliveS: 0 },
      allowedIps: prefixes(...ips),
    }),
  );
  return { ...{ name: "wg0", ...own, listenPort: 1, fwmark: 0 }, peers };
}

const wanted = (...ips: readonly string[]) => new Map([[B, prefixes(...ips)]]);
const TAKEN: WithheldRecords = { [B]: { owned: [X, Y], taken: [X] } };

/** What B owns and what of it is withheld, by what WireGuard shows and what is written down. */
function ownedOf(
  shown: Readonly<Record<string, readonly string[]>>,
  records: WithheldRecords = TAKEN,
): { readonly owned: string[] | undefined; readonly withheld: string[] | undefined } {
  const peer = withOwned(state(shown), records).peers.find(({ publicKey }) => publicKey === B);
  return { owned: texts(peer?.allowedIps), withheld: texts(peer?.withheld) };
}

describe("allowed IPs that are withheld", () => {
  it("are taken from WireGuard, and are the peer's all the same, in their order", () => {
    const plan = planWithheld(state({ [B]: [X, Y], [C]: [Z] }), wanted(X));
    expect(plan.commands.map(formatCommand)).toEqual([`wg set wg0 peer ${B} allowed-ips ${Y}`]);
    expect([plan.during, plan.after]).toEqual([TAKEN, TAKEN]);
    expect(ownedOf({ [B]: [Y], [C]: [Z] })).toEqual({ owned: [X, Y], withheld: [X] });
  });

  it("are nothing to do while they are so, and given back in their order", () => {
    const now = withOwned(state({ [B]: [Y] }), TAKEN);
    expect(planWithheld(now, wanted(X)).commands).toEqual([]);
    const back = planWithheld(now, new Map());
    expect(back.commands.map(formatCommand)).toEqual([`wg set wg0 peer ${B} allowed-ips ${X},${Y}`]);
    expect([back.during, back.after]).toEqual([TAKEN, {}]);
  });

  it("are no others than the peer's own", () => {
    expect(planWithheld(state({ [B]: [X] }), wanted(Y, "10.9.0.0/24")).commands).toEqual([]);
  });

  // What is written down, then what WireGuard shows when a kill comes before the command or after it.
  it.each([
    ["none to one", [], [X], [X, Y, Z]],
    ["one to two", [X], [X, Y], [Y, Z]],
    ["two to one", [X, Y], [X], [Z]],
    ["one to another", [X], [Y], [Y, Z]],
    ["all to none", [X, Y, Z], [], []],
    ["none to all", [], [X, Y, Z], [X, Y, Z]],
  ])("are lost by no kill: from %s", (_, before, after, shown) => {
    const all = [X, Y, Z];
    const record: WithheldRecords = before.length > 0 ? { [B]: { owned: all, taken: before } } : {};
    const found = withOwned(state({ [B]: shown }), record);
    expect(texts(found.peers[0]?.allowedIps)).toEqual(all);
    const plan = planWithheld(found, wanted(...after));
    const done = all.filter((one) => !(after as readonly string[]).includes(one));
    for (const [ips, records] of [
      [shown, plan.during],
      [done, plan.during],
      [done, plan.after],
    ] as const) {
      const { owned, withheld = [] } = ownedOf({ [B]: ips }, records);
      expect(owned).toEqual(all);
      expect(withheld).toEqual(all.filter((one) => !(ips as readonly string[]).includes(one)));
    }
  });

  it("stay withheld when a link-local address comes, or somebody adds one", () => {
    const alone = { [B]: { owned: [X], taken: [X] } };
    expect(ownedOf({ [B]: [LINK_LOCAL] }, alone)).toEqual({ owned: [X, LINK_LOCAL], withheld: [X] });
    expect(ownedOf({ [B]: [Y, Z] })).toEqual({ owned: [X, Y, Z], withheld: [X] });
  });

  it("are forgotten when somebody writes the peer's list anew, gives them back, or gives them to another peer", () => {
    for (const [shown, records] of [
      [{ [B]: [Z] }, TAKEN],
      [{ [B]: [Z] }, { [B]: { owned: [X], taken: [X] } }],
      [{ [B]: [X, Y] }, TAKEN],
      [{ [B]: [Y], [C]: [X] }, TAKEN],
      [{ [C]: [Z] }, TAKEN],
    ] as const) {
      const found = withOwned(state(shown), records);
      expect(found).toEqual(state(shown));
      expect(stillWithheld(records, found)).toEqual({});
    }
    const still = withOwned(state({ [B]: [Y] }), TAKEN);
    expect(stillWithheld(TAKEN, still)).toBe(TAKEN);
  });

  it("stay withheld when another peer gets one of those that are left", () => {
    expect(ownedOf({ [B]: [], [C]: [Y] })).toEqual({ owned: [X], withheld: [X] });
  });

  it("do not come back when the peer is made anew, or gets its link-local address", () => {
    const now = withOwned(state({ [B]: [Y] }), TAKEN);
    const [peer] = now.peers;
    expect(peer && formatCommand(renewPeer("wg0", peer, {}))).toContain(`allowed-ips ${Y} `);
    const link = {
      ...{
        index: 7,
        name: "wg0",
        isUp: true,
        isLoopback: false,
        mtu: 1420,
        kind: "wireguard",
        addresses: [],
      },
    };
    const lines = planLinkLocals(link, now, { peers: [] }).commands.map(formatCommand);
    expect(lines).toContain(`wg set wg0 peer ${B} allowed-ips ${Y},${LINK_LOCAL}`);
  });
});

describe("a device", () => {
  const OWN = `${formatKey(own.privateKey)}\t${formatKey(own.publicKey)}\t51820\toff`;
  const lineOf = (...ips: readonly string[]): string =>
    `${B}\t(none)\t203.0.113.9:1\t${ips.join(",") || "(none)"}\t0\t0\t0\toff`;

  /** WireGuard with one peer, whose allowed IPs are what it is told; without any, it comes with the first. */
  function wireguard(...first: readonly string[]) {
    let ips = first;
    let isThere = first.length > 0;
    const { programs, commands } = programsThatShow(() => `${OWN}\n${isThere ? `${lineOf(...ips)}\n` : ""}`);
    const run = programs.run.bind(programs);
    programs.run = async (command, signal) => {
      const at = command.args.indexOf("allowed-ips");
      if (command.program === "wg" && at >= 0) {
        ips = (command.args[at + 1] ?? "").split(",").filter(Boolean);
        isThere = true;
      }
      return await run(command, signal);
    };
    return { programs, commands, shown: () => ips };
  }

  it("gives back what an earlier run took and was killed with", async () => {
    const folder = temporaryFolder();
    const options = { stateFolder: folder, lockFolder: join(folder, "lock") };
    const { programs, shown } = wireguard(X, Y);
    const killed = await Device.open("wg0", { ...options, programs });
    await killed.withhold(wanted(X));
    expect(shown()).toEqual([Y]);
    expect(parseLedger(join(folder, "wg0.device")).withheld).toEqual(TAKEN);
    // It is as good as killed for another one, whose lock is elsewhere.
    await using next = await Device.open("wg0", { ...options, lockFolder: join(folder, "next"), programs });
    expect(texts(next.state.peers[0]?.allowedIps)).toEqual([X, Y]);
    expect(texts((await next.read()).peers[0]?.withheld)).toEqual([X]);
    await next.close();
    expect(shown()).toEqual([X, Y]);
    await killed.close();
  });

  it("that was made goes on without what an earlier run took, unless the peer is to have other addresses", async () => {
    const folder = temporaryFolder();
    const { programs, shown } = wireguard(X, Y);
    const peer = (...ips: readonly string[]) => ({ publicKey: parseKey(B), allowedIps: prefixes(...ips) });
    const open = async (lock: string, ...ips: readonly string[]): Promise<Device> =>
      await Device.open("wg0", {
        ...{ stateFolder: folder, lockFolder: join(folder, lock), programs },
        create: { privateKey: own.privateKey, listenPort: 51_820, addresses: [], peers: [peer(...ips)] },
      });
    const ledger = new Ledger(folder, "wg0");
    const made = noChanges(await incarnationOf(7));
    await ledger.save({ ...made, isCreated: true, withheld: TAKEN });
    const next = await open("one", X, Y);
    expect(shown()).toEqual([Y]);
    expect(texts(next.state.peers[0]?.withheld)).toEqual([X]);
    // With the link-local address, which the configuration does not name.
    await ledger.save({
      ...made,
      isCreated: true,
      withheld: { [B]: { owned: [X, Y, LINK_LOCAL], taken: [X] } },
    });
    const later = await open("two", X, Y);
    expect(shown()).toEqual([Y, LINK_LOCAL]);
    expect(texts(later.state.peers[0]?.withheld)).toEqual([X]);
    const other = await open("three", X, Z);
    expect(shown()).toEqual([X, Z]);
    expect(other.state.peers[0]?.withheld).toBeUndefined();
    for (const one of [next, later, other]) await one.close();
  });

  it("gives a member what the roster says, once its addresses are others", async () => {
    const folder = temporaryFolder();
    const { programs, commands, shown } = wireguard();
    await using device = await Device.open("wg0", {
      ...{ stateFolder: folder, lockFolder: join(folder, "lock"), programs },
    });
    const member = (...ips: readonly string[]) => ({
      ...{ addresses: [], peers: [{ publicKey: B, allowedIps: prefixes(...ips), routes: [] }] },
    });
    await device.setMembers(member(X, Y));
    await device.withhold(wanted(X));
    const before = commands.length;
    await device.setMembers(member(X, Y));
    expect(commands.slice(before).filter(({ args }) => args.includes("set"))).toEqual([]);
    expect(shown()).toEqual([Y]);
    const now = await device.setMembers(member(Z, Y));
    expect(shown()).toEqual([Z, Y]);
    expect(texts(now.peers[0]?.allowedIps)).toEqual([Z, Y]);
    expect(now.peers[0]?.withheld).toBeUndefined();
    expect(parseLedger(join(folder, "wg0.device")).withheld).toEqual({});
  });

  it("takes nothing that cannot be written down, says so once, and gives back all the same", async () => {
    const folder = temporaryFolder();
    const stateFolder = join(folder, "state");
    const { programs, shown } = wireguard(X, Y);
    await using device = await Device.open("wg0", {
      stateFolder,
      lockFolder: join(folder, "lock"),
      programs,
    });
    const warnings: string[] = [];
    device.on("warning", (message) => warnings.push(message));
    await device.withhold(wanted(X));
    rmSync(stateFolder, { recursive: true });
    writeFileSync(stateFolder, "no folder can be here");
    for (let i = 0; i < 2; i++) await device.withhold(wanted(X, Y));
    expect(shown()).toEqual([Y]);
    expect(warnings).toEqual([expect.stringContaining("is not left to a router: make room on the disk")]);
    await device.withhold(new Map());
    expect(shown()).toEqual([X, Y]);
    rmSync(stateFolder);
  });
});
