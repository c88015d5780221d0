import { readFileSync, writeFileSync } from "node:fs";
import { markdownTable } from "markdown-table";
import { expect, it } from "vitest";
import type { Family, NatKind, Stray } from "../../lab/index.js";
import { Daemon } from "../support/daemon.js";
import { makeMembers } from "../support/mesh-lab.js";
import { type StartLab, withLab } from "../support/needs.js";

const KINDS = [
  "open",
  "full-cone",
  "address-restricted",
  "port-restricted",
  "port-shifting",
  "symmetric",
] as const satisfies readonly NatKind[];

/** How long a direct path may take, ms. */
const BAR_MS = 5000;

const GRID = new URL("../../docs/nat.md", import.meta.url);

/** What theory says of two NATs: a direct path, none, or that it depends on who sends first. */
type Theory = "direct" | "none" | "either";

const letsAnybodyIn = (kind: NatKind): boolean => kind === "open" || kind === "full-cone";
const filtersPorts = (kind: NatKind): boolean => !letsAnybodyIn(kind) && kind !== "address-restricted";

/**
 * A symmetric NAT has another port for each destination, which the other side cannot name: so that one has to let
 * anybody in, or anybody of an address that it has sent to.
 *
 * Where a NAT keeps stray packets for itself, what comes in before its host has sent takes the place of the mapping
 * that would have let it in. The host's own packets then leave from another port.
 */
function theoryOf(one: NatKind, other: NatKind, stray: Stray): Theory {
  if (letsAnybodyIn(one) || letsAnybodyIn(other)) return "direct";
  if (filtersPorts(one) && filtersPorts(other)) {
    const isPossible = stray === "drop" && one !== "symmetric" && other !== "symmetric";
    return isPossible ? "direct" : "none";
  }
  return stray === "drop" || one === other ? "direct" : "either";
}

interface Found {
  readonly one: NatKind;
  readonly other: NatKind;
  /** From when both were ready to when a path was in use, ms; undefined when there was none in time. */
  readonly afterMs: number | undefined;
}

/** Looks for paths between two hosts behind each pair of kinds, all at the same time. */
async function look(
  startLab: StartLab,
  stray: Stray,
  family: Family,
  kinds: readonly NatKind[],
): Promise<Found[]> {
  const nats = ["a", "b"].flatMap((side) =>
    kinds.map((kind) => [`${side}-${kind}`, { kind, stray }] as const),
  );
  await using lab = await startLab({
    nats: Object.fromEntries(nats),
    hosts: Object.fromEntries(nats.map(([name]) => [`h${name}`, { behind: name }])),
    family,
    brokers: 3,
    stun: true,
  });
  const names = nats.map(([name]) => `h${name}`);
  const members = await makeMembers(lab, names, (one, other) => one[1] !== other[1]);
  const daemons = new Map(
    Object.entries(members).map(([name, member]) => [name, Daemon.start(lab, member.host, member.wireguard)]),
  );
  const readyAt = new Map<string, number>();
  for (const [name, daemon] of daemons) {
    const [, time] = await daemon.process.wrote(/"event":"ready","time":(\d+)/);
    readyAt.set(name, Number(time));
  }
  const deadline = performance.now() + BAR_MS;
  const found: Found[] = [];
  for (const one of kinds) {
    for (const other of kinds) {
      const [a, b] = [`ha-${one}`, `hb-${other}`];
      const key = members[b]?.publicKey ?? "";
      const isDirect = daemons
        .get(a)
        ?.until(key, ({ state }) => state === "direct", deadline - performance.now());
      const path = await isDirect?.catch(() => undefined);
      const since = Math.max(readyAt.get(a) ?? 0, readyAt.get(b) ?? 0);
      found.push({ one, other, afterMs: path && path.time - since });
      if (path === undefined && one === "symmetric" && other === "symmetric") {
        const { peers } = (await daemons.get(a)?.status()) ?? { peers: [] };
        const { reason } = peers.find(({ publicKey }) => publicKey === key) ?? {};
        expect(reason).toContain("no direct path is possible");
      }
    }
  }
  return found;
}

function write(found: readonly Found[], stray: Stray): void {
  const title = stray;
  const text = readFileSync(GRID, "utf8");
  const cell = (one: NatKind, other: NatKind): string => {
    if (theoryOf(one, other, stray) === "either") return "either";
    const { afterMs } = found.find((pair) => pair.one === one && pair.other === other) ?? {};
    return afterMs === undefined ? "none" : "direct";
  };
  const table = markdownTable([
    [title, ...KINDS],
    ...KINDS.map((one) => [`**${one}**`, ...KINDS.map((other) => cell(one, other))]),
  ]);
  const [start, end] = [`<!-- grid: ${title} -->`, `<!-- /grid: ${title} -->`];
  const pattern = new RegExp(`${start}[\\s\\S]*?${end}`);
  if (!pattern.test(text)) throw new Error(`${GRID.pathname} has no ${start}`);
  writeFileSync(GRID, text.replace(pattern, `${start}\n\n${table}\n\n${end}`));
}

/** Those that theory leaves no choice. */
function check(found: readonly Found[], stray: Stray): void {
  const rows = found.map(({ one, other, afterMs }) => [
    `${one}, ${other}`,
    theoryOf(one, other, stray) === "either" ? "either" : afterMs === undefined ? "none" : "direct",
  ]);
  expect(rows).toEqual(found.map(({ one, other }) => [`${one}, ${other}`, theoryOf(one, other, stray)]));
}

withLab(
  "two hosts that know each other's key alone, behind every pair of NATs",
  { timeout: 120_000 },
  (startLab) => {
    it.each(["drop", "accept"] as const)("over IPv4, where stray packets are told to %s", async (stray) => {
      const found = await look(startLab, stray, "IPv4", KINDS);
      if (process.env.GRID_WRITE === "1") write(found, stray);
      check(found, stray);
    });

    // Behind IPv6 there is no NAT: what its firewall filters is opened from both sides.
    it.each(["IPv6", "both"] as const)("over %s, behind firewalls of the same kinds", async (family) => {
      const found = await look(startLab, "drop", family, [
        "open",
        "address-restricted",
        "port-restricted",
        "symmetric",
      ]);
      expect(found.filter(({ afterMs }) => afterMs === undefined)).toEqual([]);
    });
  },
);
