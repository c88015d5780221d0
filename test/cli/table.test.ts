import stringWidth from "string-width";
import { expect, it } from "vitest";
import { People } from "../../src/cli/people.js";
import { table } from "../../src/cli/table.js";
import { formatAddress } from "../../src/index.js";
import vectors from "../vectors/protocol.json" with { type: "json" };

const [ADDRESS = ""] = vectors.keys.map((key) => formatAddress(key.public));
const dim = (text: string): string => `\x1b[2m${text}\x1b[22m`;

/** The tables of the command, with long cells. */
const TABLES: readonly (readonly [string, readonly string[], readonly (readonly string[])[]])[] = [
  [
    "contact list",
    ["name", "address"],
    [
      ["ben", ADDRESS],
      ["somebody-with-quite-a-long-name-x", ADDRESS],
    ],
  ],
  [
    "brokers",
    ["family", "broker", "by", ">port", ">connect", ">echo", "result"],
    [
      [
        "IPv4",
        "broker-with-a-long-name.example.com",
        "mqtts",
        "8883",
        "123 ms",
        "123 ms",
        "\x1b[32m✓\x1b[39m",
      ],
      [
        "IPv6",
        "2001:db8:1234:5678:9abc:def0:1234:5678",
        "wss",
        "443",
        "",
        "",
        "✗ the certificate cannot be trusted",
      ],
    ],
  ],
  ["probe", ["family", "broker", ">round trip"], [["IPv4", "broker-with-a-long-name.example.com", "12 ms"]]],
  [
    "rank",
    ["family", ">place", "broker", ">score", "from here"],
    [["IPv4", "1", "a.example", "0.1234", "● connected"]],
  ],
];

it.each(TABLES)("a table of %s fits any terminal from 40 columns on, and loses nothing", (_, head, rows) => {
  for (let columns = 40; columns <= 140; columns++) {
    const text = table(head, rows, dim, columns);
    for (const line of text.split("\n")) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
    const bare = text.replaceAll(/\x1b\[\d+m|\s/g, "");
    for (const cell of rows.flat()) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
      const wanted = cell.replaceAll(/\x1b\[\d+m|\s/g, "");
      expect(bare).toContain(wanted);
    }
    expect(text).not.toContain("…");
  }
});

it("a table is one where it fits, and a block for each row where it does not", () => {
  const rows = [["IPv4", "1", "a.example", "0.1234", "● connected"]];
  const head = ["family", ">place", "broker", ">score", "from here"];
  expect(table(head, rows, (text) => text, 60).split("\n")).toHaveLength(2);
  expect(table(head, [...rows, ...rows], (text) => text, 40).split("\n")).toEqual([
    ...[
      "family     IPv4",
      "place      1",
      "broker     a.example",
      "score      0.1234",
      "from here  ● connected",
    ],
    "",
    ...[
      "family     IPv4",
      "place      1",
      "broker     a.example",
      "score      0.1234",
      "from here  ● connected",
    ],
  ]);
});

it("a long name leaves room in a line", () => {
  for (const name of ["x".repeat(32), "漢字".repeat(16), "ben"]) {
    const people = new People([{ name, address: "02" }]);
    expect(stringWidth(people.short("02"))).toBeLessThanOrEqual(15);
    expect(people.full("02")).toBe(name);
  }
});
