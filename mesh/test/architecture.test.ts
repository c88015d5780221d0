import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  clocksIn,
  cycles,
  importersOf,
  missing,
  only,
  readSources,
  type Sources,
  upwards,
} from "../../test/support/sources.js";

const SRC = fileURLToPath(new URL("../src/", import.meta.url));
const PAGE = fileURLToPath(new URL("../docs/architecture.md", import.meta.url));

const sources: Sources = readSources(SRC);

/** Every file, the bottom first, as the table of layers has them: each imports from those before it alone. */
const ORDER = orderIn(readFileSync(PAGE, "utf8"));

/** They do no I/O and start nothing: time comes in as an argument. */
const TIMELESS: readonly string[] = [
  ...[...sources.keys()].filter((name) => /^(ip|path|overlay)\//.test(name)),
  "pair",
  "relay/message",
  "relay/rank",
  "relay/byte-bucket",
  "turn/turn-server",
  "turn/turn-message",
  "turn/long-term",
  "turn/refusals",
  "probe/budgets",
  "probe/replay-guard",
  "probe/stun-message",
  "probe/probe-message",
  "probe/pending-probes",
  "candidates/nat",
  "candidates/gather",
  "candidates/interfaces",
  "signal/announce",
  "signal/announcer",
  "signal/freshness",
  "state-file",
  "device/state",
  "device/network",
  "device/checks",
  "device/plan",
  "device/changes",
  "device/member-routes",
  "device/members",
  "device/undo",
  "device/nft-table",
  "names/public-domains",
  "names/host-names",
  "names/hosts-block",
  "lan/lan-keys",
  "lan/lan-message",
  "lan/lan-tags",
  "lan/lan-places",
  "lan/lan-candidate",
  "configured-peers",
  "multiaddr/wg-key",
  "multiaddr/protocols",
  "multiaddr/multiaddr",
  "multiaddr/wg",
  "candidates/glob",
  "origins/conf-lines",
  "origins/wg-quick",
  "origins/wgautomesh",
  "origins/wirelink",
  "origins/written",
  "port-mapping/pcp",
  "port-mapping/nat-pmp",
  "port-mapping/xml",
  "port-mapping/ssdp",
  "port-mapping/igd-messages",
  "port-mapping/wishes",
  "port-mapping/lease-clock",
  "port-mapping/gateway",
];

/** The rows of the table: a room stands in the first row of its files. */
function orderIn(page: string): string[] {
  const [, table = ""] = page.split(/^## The layers$/m);
  const rows = (table.split(/^## /m)[0] ?? "").matchAll(/^\| (?:`([^`]+)` )?\| (`.*?`) \|/gm);
  let room = "";
  return Array.from(rows).flatMap(([, named, files = ""]) => {
    room = named ?? room;
    const folder = room === "src/" ? "" : room;
    return Array.from(files.matchAll(/`([^`]+)`/g), ([, file]) => `${folder}${file}`);
  });
}

describe("the files of mesh/src", () => {
  it("are all in the table of layers, once, and it names no others", () => {
    expect(ORDER.toSorted()).toEqual([...sources.keys()].toSorted());
  });

  it("import only from files that exist", () => {
    expect(missing(sources)).toEqual([]);
  });

  it("import downwards only, types included", () => {
    expect(upwards(sources, ORDER)).toEqual([]);
  });

  it("make no cycle, types included", () => {
    expect(cycles(sources)).toEqual([]);
  });

  it("are found with their imports", () => {
    // Against a parser that finds nothing.
    expect(sources.get("path/machine")?.own).toContain("path/session");
    expect(sources.get("cli/grammar-up")?.own).toContain("cli/up");
    expect(sources.get("signal/channel")?.foreign).toContain("sidewire");
    expect(clocksIn(sources.get("sleep-watch"))).toContain("setInterval");
  });
});

describe("files outside of mesh/src", () => {
  it("are imported by the command alone: its version, and what both commands make of their grammar", () => {
    const outside = [...sources].flatMap(([name, { foreign }]) =>
      foreign.filter((other) => other.startsWith("/")).map((other) => ({ name, other })),
    );
    expect(outside.length).toBeGreaterThan(0);
    expect(outside.filter(({ name }) => !name.startsWith("cli/"))).toEqual([]);
    expect(outside.filter(({ other }) => !/^\/(package\.json|grammar\/[\w-]+\.js)$/.test(other))).toEqual([]);
  });
});

describe("the path machine", () => {
  const path = only(sources, (name) => name.startsWith("path/"));

  it("uses no package, and no module of Node", () => {
    expect(path.size).toBeGreaterThan(10);
    expect([...path].flatMap(([name, { foreign }]) => foreign.map((other) => `${name} -> ${other}`))).toEqual(
      [],
    );
  });
});

describe("time", () => {
  it.each(TIMELESS)("comes into %s as an argument", (name) => {
    expect(sources.get(name)?.identifiers.size).toBeGreaterThan(0);
    expect(clocksIn(sources.get(name))).toEqual([]);
  });
});

describe("few files", () => {
  it("start programs: those of the device, of doctor, of the user, and of the word to systemd", () => {
    expect(importersOf(sources, "node:child_process").toSorted()).toEqual([
      "cli/hooks",
      "cli/machine",
      "cli/notify",
      "device/monitor",
      "device/programs",
    ]);
  });

  it("open UDP sockets: those of probes, of gateways, of a LAN, of facts, of names, of a relay, and of TURN", () => {
    expect(importersOf(sources, "node:dgram").toSorted()).toEqual([
      "facts/fact-socket",
      "lan/lan-sockets",
      "names/name-server",
      "port-mapping/gateway-news",
      "port-mapping/gateway-socket",
      "probe/probe-sockets",
      "relay/forwarder",
      "turn/loopback-port",
      "turn/turn-socket",
    ]);
  });
});

describe("what is bundled into the command", () => {
  it.each(["commander", "picocolors", "cli-table3"])("%s is used there alone", (name) => {
    const users = importersOf(sources, name);
    expect(users.length).toBeGreaterThan(0);
    expect(users.filter((user) => !user.startsWith("cli/"))).toEqual([]);
  });

  it.each(["yaml", "smol-toml"])("%s is used for files of others alone", (name) => {
    const users = importersOf(sources, name);
    expect(users.length).toBeGreaterThan(0);
    expect(users.filter((user) => !user.startsWith("origins/"))).toEqual([]);
  });
});
