import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeFile, parseNodeFile, publishedPlace } from "../../src/dstack/node-file.js";
import { addressOf, indexOverlayFrom } from "../../src/dstack/numbering.js";
import { MAX_NODES, parsePeerList } from "../../src/dstack/peer-list.js";
import { formatAddress } from "../../src/ip/address.js";
import { formatEndpoint, parseEndpoint } from "../../src/ip/endpoint.js";
import { KEY_A, KEY_B } from "../support/fake-mesh.js";

const said = (read: () => unknown): string => {
  try {
    return JSON.stringify(read());
  } catch (error) {
    return `${(error as { code?: string }).code}: ${(error as Error).message}`;
  }
};

describe("the file of a node", () => {
  it("is read as this program writes it", () => {
    const endpoint = parseEndpoint("198.51.100.7:51820");
    expect(parseNodeFile(JSON.stringify(nodeFile(KEY_A, endpoint)))).toEqual({ publicKey: KEY_A, endpoint });
    // Some editors on Windows begin a file with this mark.
    expect(parseNodeFile(`\ufeff${JSON.stringify(nodeFile(KEY_A, endpoint))}`).endpoint).toEqual(endpoint);
    expect(nodeFile(KEY_A, undefined)).toEqual({ wg_public_key: KEY_A, stun_ip: null, stun_port: null });
    expect(parseNodeFile(JSON.stringify(nodeFile(KEY_A, undefined))).endpoint).toBeUndefined();
  });

  it.each([
    { public_key: KEY_A, external_ip: "198.51.100.7", external_port: 7, listen_port: 51_820 },
    { pubkey: KEY_A, listen_port: 51_820, stun: { ip: "198.51.100.7", port: "7" } },
    { wg: { publicKey: KEY_A }, endpoint: "198.51.100.7:7", wg_ip: "10.88.0.10" },
    { key: KEY_A, wg_ip: "10.88.0.10", ip: "198.51.100.7", port: 7, more: [KEY_B] },
  ])("is read by what its values are: %j", (file) => {
    const { publicKey, endpoint } = parseNodeFile(JSON.stringify(file));
    expect([publicKey, endpoint && formatEndpoint(endpoint)]).toEqual([KEY_A, "198.51.100.7:7"]);
  });

  it.each(["127.0.0.1", "0.0.0.0", "224.0.0.1", "::1", "fe80::1", "169.254.1.1", "x", 5, null])(
    "has no place at %j",
    (stun_ip) => {
      const file = JSON.stringify({ wg_public_key: KEY_A, stun_ip, stun_port: 51_820 });
      expect(parseNodeFile(file).endpoint).toBeUndefined();
    },
  );

  it.each([
    ["", "INVALID_OPTION: it is not JSON"],
    ["[]", "INVALID_OPTION: a JSON object is expected"],
    ["null", "INVALID_OPTION: a JSON object is expected"],
    ["{}", "INVALID_KEY: it has no WireGuard key in it"],
    [`{"a": "${KEY_A}", "b": "${KEY_B}"}`, "INVALID_KEY: it has more than one WireGuard key"],
    [`{"a": "${KEY_A.slice(1)}"}`, "INVALID_KEY: it has no WireGuard key in it"],
    [`{"a": "${Buffer.alloc(32).toString("base64")}"}`, "LOW_ORDER_KEY: "],
  ])("is refused: %s", (text, why) => {
    expect(said(() => parseNodeFile(text))).toContain(why);
  });

  it("is read, or refused with a code, whatever it holds", () => {
    const name = fc.constantFrom("wg_public_key", "stun_ip", "stun_port", "endpoint", "__proto__", "x");
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(KEY_A, "192.0.2.1", 51_820, "192.0.2.1:1", 1e9, -1),
    );
    fc.assert(
      fc.property(fc.dictionary(name, value), (data) => {
        expect(said(() => parseNodeFile(JSON.stringify(data)))).toMatch(
          /^(\{"publicKey"|INVALID_|LOW_ORDER)/,
        );
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(said(() => parseNodeFile(text))).toMatch(/^INVALID_/);
      }),
    );
  });
});

describe("the place that a node publishes", () => {
  const place = (...all: readonly (readonly ["host" | "mapped" | "reflexive", string])[]) => {
    const found = publishedPlace(all.map(([kind, endpoint]) => ({ kind, endpoint, ageS: 0 })));
    return found && formatEndpoint(found);
  };

  it("is one outside, by IPv4 if there is one", () => {
    expect(place(["host", "192.168.1.5:1"])).toBeUndefined();
    expect(place(["host", "192.168.1.5:1"], ["reflexive", "198.51.100.7:2"])).toBe("198.51.100.7:2");
    expect(place(["host", "[2001:db8::1]:1"], ["reflexive", "198.51.100.7:2"])).toBe("198.51.100.7:2");
    expect(place(["host", "198.51.100.9:1"])).toBe("198.51.100.9:1");
    expect(place(["reflexive", "198.51.100.7:2"], ["mapped", "198.51.100.7:3"])).toBe("198.51.100.7:3");
  });
});

describe("the list of nodes", () => {
  it("is an array of URLs, in its order", () => {
    const list = parsePeerList(
      '["https://b.example/node.json", "http://a.example:8080", "https://c.example/x?y"]',
    );
    expect(list.map(({ href }) => href)).toEqual([
      "https://b.example/node.json",
      "http://a.example:8080/node.json",
      "https://c.example/x?y",
    ]);
    expect(parsePeerList("\ufeff[]")).toEqual([]);
  });

  it.each([
    ["", "it is not JSON"],
    ["{}", "a JSON array of URLs is expected"],
    ["[1]", "a JSON array of URLs is expected"],
    ['["https://a.example", "file:///etc/passwd"]', "number 1 of the list: a URL is expected"],
    ['["javascript:1"]', "number 0 of the list: a URL is expected"],
    ['["https://user:secret@"]', "number 0 of the list: a URL is expected"],
    [`["https://a.example/${"x".repeat(3000)}"]`, "number 0 of the list: a URL is expected"],
    [JSON.stringify(Array(MAX_NODES + 1).fill("https://a.example")), "a JSON array of URLs is expected"],
  ])("is refused as a whole, without a secret: %s", (text, why) => {
    const error = said(() => parsePeerList(text));
    expect(error).toContain(`INVALID_OPTION: ${why}`);
    expect(error).not.toContain("secret");
  });

  it("is read, or refused with a code, whatever it holds", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string({ unit: "binary" })), (text) => {
        expect(said(() => parsePeerList(text))).toMatch(/^(\[|INVALID_OPTION: )/);
      }),
    );
  });
});

describe("the address of a node", () => {
  const at = (range: string, index: number): string | undefined => {
    const bytes = addressOf(indexOverlayFrom(range, "--index-overlay"), index);
    return bytes && formatAddress(bytes);
  };

  it("is .10 and its number, as far as there is room", () => {
    expect(at("10.88.0.0/24", 0)).toBe("10.88.0.10");
    expect(at("10.88.0.0/24", 244)).toBe("10.88.0.254");
    expect(at("10.88.0.0/24", 245)).toBeUndefined();
    expect(at("10.88.0.0/23", 246)).toBe("10.88.1.0");
    expect(at("10.88.0.7/28", 4)).toBe("10.88.0.14");
    expect(at("10.88.0.0/28", 5)).toBeUndefined();
    expect(at("fd00:1::/64", 246)).toBe("fd00:1::100");
    expect(at("0.0.0.0/0", 1)).toBe("0.0.0.11");
  });

  it.each(["10.88.0.0", "10.88.0.0/29", "10.88.0.0/32", "x/24", "10.88.0.0/33", ""])(
    "is not in %j",
    (range) => {
      expect(() => indexOverlayFrom(range, "--index-overlay")).toThrow("--index-overlay");
    },
  );
});
