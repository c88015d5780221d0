import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseOwnFormat } from "../../src/config/own-format.js";
import type { NatVerdict } from "../../src/info.js";
import * as C from "../../src/path/constants.js";
import { reasonFor } from "../../src/path/reason.js";
import { MAX_BODY_BYTES } from "../../src/web/asked.js";
import { MAX_EVENTS } from "../../src/web/feed.js";
import { MAX_CONNECTIONS, MAX_FEEDS, MAX_HEADER_BYTES, PATIENCE_MS } from "../../src/web/server.js";
import { MAX_SHOWN, MAX_TEXT } from "../../src/web/view.js";

const MESH = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(MESH, path), "utf8");

/** The rows of all tables, cell by cell. */
function rowsOf(page: string): string[][] {
  return Array.from(page.matchAll(/^\| (.+) \|$/gm), ([, row = ""]) => row.split(" | "));
}

describe("the README of the mesh", () => {
  it("has every command in its table, and no other", () => {
    const [, table = ""] = read("README.md").split(/^## The command$/m);
    const rows = rowsOf(table.split(/^## /m)[0] ?? "").slice(2);
    const told = new Set(
      rows.flatMap(([cell = ""]) => Array.from(cell.matchAll(/`([a-z]+)[^`]*`/g), ([, name = ""]) => name)),
    );
    const files = [
      "program",
      "grammar-up",
      "grammar-formats",
      "grammar-service",
      "grammar-shell",
      "grammar-web",
    ];
    const source = files.map((file) => read(`src/cli/${file}.ts`)).join("\n");
    // Not those within a group, which stand in its row.
    const known = Array.from(source.matchAll(/program\s*\.command\("([a-z]+)/g), ([, name = ""]) => name);
    expect(known.length).toBeGreaterThan(5);
    expect([...told, "help"].toSorted()).toEqual(known.toSorted());
  });

  it("has a configuration that is read, with every field that there is", async () => {
    const [, json = ""] = /```json\n([\s\S]*?)```/.exec(read("README.md")) ?? [];
    const settings = await parseOwnFormat(json, "/etc/mesh", {
      lookUp: async () => [],
      readKey: async (path) => {
        expect(["/etc/mesh/wg0.key", "/etc/mesh/laptop.psk"]).toContain(path);
        return new Uint8Array(32).fill(7);
      },
      readText: async (path) => {
        expect(path).toBe("/etc/mesh/brokers.json");
        return '{ "IPv4": { "192.0.2.1": { "port": 1883 } }, "IPv6": {} }';
      },
    });
    expect(settings).toMatchObject({ interface: "wg0", create: { listenPort: 51_820 } });
    expect([...settings.names.values()]).toEqual(["laptop"]);
    const schema = read("src/config/own-format.ts");
    const fields = Array.from(schema.matchAll(/^ {2}([a-zA-Z]+): (?:z\.|line)/gm), ([, name = ""]) => name);
    expect(fields.length).toBeGreaterThan(10);
    for (const field of fields) expect(json).toContain(`"${field}"`);
  });
});

describe("the page about NATs", () => {
  const page = read("docs/nat.md");
  const cases: readonly (readonly [NatVerdict, NatVerdict])[] = [
    ["symmetric", "symmetric"],
    ["symmetric", "stable"],
    ["blocked", "stable"],
    ["stable", "blocked"],
  ];

  it.each(cases)("has the words for %s here and %s at the peer", (ownNat, peerNat) => {
    const reason = reasonFor({
      state: "probing",
      candidates: 1,
      isProven: false,
      isHeard: false,
      isFiltered: false,
      ownNat,
      peerNat,
    });
    expect(page).toContain(`| ${reason} |`);
  });
});

describe("the limits on the page about security", () => {
  const rows = new Map(
    rowsOf(read("docs/security.md").split("## Limits in numbers")[1] ?? "").map(([what = "", limit = ""]) => [
      what,
      limit,
    ]),
  );

  it.each([
    [
      "probes that seek a path to one peer, all its candidates together",
      `${C.PEER_PER_SECOND} a second, ${C.PEER_BURST} at once`,
    ],
    [
      "announces that a peer or a path causes",
      `${C.ANNOUNCE_BURST} at once, one in ${1 / C.ANNOUNCE_PER_SECOND} s`,
    ],
    [
      "announces of what is new about this host, to one peer",
      `${C.NEWS_BURST} at once, one in ${1 / C.NEWS_PER_SECOND} s`,
    ],
    [
      "candidates kept of one peer; of one address of it; only seen",
      `${C.REMOTE_CANDIDATES}; ${C.CANDIDATES_PER_ADDRESS}; ${C.SEEN_PATHS}`,
    ],
    ["how long a candidate that is announced no more is kept", `${C.VANISHED_MS / 1000} s`],
    ["how long a path that was only seen is kept", `${C.SEEN_MS / 1000} s`],
    ["the page in a browser: connections; tabs that follow it", `${MAX_CONNECTIONS}; ${MAX_FEEDS}`],
    [
      "a request to it: headers; body; time",
      `${MAX_HEADER_BYTES} bytes; ${MAX_BODY_BYTES} bytes; ${PATIENCE_MS / 1000} s`,
    ],
    [
      "what it shows: peers, members; events; a text",
      `${MAX_SHOWN} each; ${MAX_EVENTS}; ${MAX_TEXT} characters`,
    ],
  ])("has the code's figures: %s", (what, limit) => {
    expect(rows.get(what)).toBe(limit);
  });
});
