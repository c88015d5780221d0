import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  brokerScore,
  defaultBrokers,
  formatAddress,
  Keypair,
  parseAddress,
  rankBrokers,
} from "../src/index.js";
import vectors from "./vectors/protocol.json" with { type: "json" };

/** The keys of the vectors, by a program written from BIP 350 alone. */
const TEXTS: readonly string[] = [
  "sw1qt7zk5uf5tmpnxtgzpdwnn5zg74wgc2c4806w3fk0cwc05cp8c8wwzdy07x",
  "sw1qf6v34pa6upna5c3z8sa6dfat2a7hzsj9lsfzukwn4f969l39c2aqjlaaqd",
  "sw1q0e0utwzrg00l9tq7mn6a8cjcdhfg5ycc8364el3v9xpzplk8a2n5rrt4g7",
  "sw1q2npmgnt6khqx73a33chj7pxjcr7yxrtr9meac5zkcc3zp7v4dyrumjltcw",
];
const [TEXT = ""] = TEXTS;
const HEX = parseAddress(TEXT);

const CHARACTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/** Anything that may be typed in a character's place. */
const KEYBOARD: readonly string[] = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));

function problemOf(text: string): string {
  try {
    parseAddress(text, "DEST");
  } catch (error) {
    if (error instanceof Error && error.name === "InvalidInputError") return error.message;
    throw error;
  }
  throw new Error(`taken: ${text}`);
}

function replaced(text: string, place: number, character: string): string {
  return text.slice(0, place) + character + text.slice(place + 1);
}

const anAddress: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom("02", "03"), fc.uint8Array({ minLength: 32, maxLength: 32 }))
  .map(([prefix, x]) => prefix + Buffer.from(x).toString("hex"));

describe("formatAddress", () => {
  it("gives bech32m, as another program does", () => {
    expect(vectors.keys.map(({ public: address }) => formatAddress(address))).toEqual(TEXTS);
  });

  it("is undone by parseAddress, in capitals too, and takes both forms", () => {
    for (let i = 0; i < 50; i++) {
      const address = Keypair.generate().publicKeyHex;
      const text = formatAddress(address);
      expect(text).toMatch(/^sw1q[02-9ac-hj-np-z]{58}$/);
      expect(parseAddress(text)).toBe(address);
      expect(parseAddress(text.toUpperCase())).toBe(address);
      expect(formatAddress(text)).toBe(text);
      expect(formatAddress(address.toUpperCase())).toBe(text);
    }
  });

  it("refuses what is no address", () => {
    expect(() => formatAddress("sw1")).toThrow(expect.objectContaining({ code: "INVALID_ADDRESS" }));
  });
});

describe("an address in bech32m", () => {
  it("leads to the same brokers as in hex", () => {
    expect(rankBrokers(TEXT, defaultBrokers)).toEqual(rankBrokers(HEX, defaultBrokers));
    expect(brokerScore("IPv4", "a.example", TEXT)).toBe(brokerScore("IPv4", "a.example", HEX));
  });

  it("is refused with any one character changed, whatever it is, and the error says where", () => {
    for (const text of TEXTS) {
      for (let place = 0; place < text.length; place++) {
        for (const character of KEYBOARD) {
          if (character === text[place]) continue;
          expect(problemOf(replaced(text, place, character))).toMatch(
            new RegExp(`^DEST: .* near character ${place + 1} \\(`),
          );
        }
      }
    }
  });

  it("is refused with any two characters changed, and the error says where both are", () => {
    fc.assert(
      fc.property(
        anAddress.map(formatAddress),
        fc.uniqueArray(fc.tuple(fc.integer({ min: 3, max: 61 }), fc.integer({ min: 1, max: 31 })), {
          minLength: 2,
          maxLength: 2,
          selector: ([place]) => place,
        }),
        (text, typos) => {
          const mistyped = typos.reduce((before, [place, by]) => {
            const next = CHARACTERS[(CHARACTERS.indexOf(before[place] ?? "") + by) % 32] ?? "";
            return replaced(before, place, next);
          }, text);
          const [first = 0, second = 0] = typos.map(([place]) => place + 1).toSorted((a, b) => a - b);
          expect(problemOf(mistyped)).toMatch(
            new RegExp(`^DEST: a typo near character ${first} \\(".*"\\) and ${second} \\(".*"\\)$`),
          );
        },
      ),
      { numRuns: 3000 },
    );
  });

  it("is refused with any two neighbours exchanged", () => {
    for (const text of TEXTS) {
      for (let i = 0; i < text.length - 1; i++) {
        const [a = "", b = ""] = text.slice(i, i + 2);
        if (a === b) continue;
        expect(problemOf(replaced(replaced(text, i, b), i + 1, a))).toContain(`near character ${i + 1} (`);
      }
    }
  });

  it("is refused with three or four characters changed", () => {
    fc.assert(
      fc.property(
        anAddress.map(formatAddress),
        fc.uniqueArray(fc.integer({ min: 3, max: 61 }), { minLength: 3, maxLength: 4 }),
        (text, places) => {
          const mistyped = places.reduce((before, place) => {
            const next = CHARACTERS[(CHARACTERS.indexOf(before[place] ?? "") + 7) % 32] ?? "";
            return replaced(before, place, next);
          }, text);
          problemOf(mistyped);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("is refused with a character too few or too many, and the error says near which place", () => {
    for (let i = 3; i < TEXT.length; i++) {
      const short = TEXT.slice(0, i) + TEXT.slice(i + 1);
      // Of two alike that stand together, nobody can tell which is missing.
      const run = TEXT.slice(0, i).match(new RegExp(`${TEXT[i]}*$`))?.[0].length ?? 0;
      expect(problemOf(short)).toContain(`61 characters instead of 62 near character ${i - run + 1} (`);
      const long = `${TEXT.slice(0, i)}${TEXT[i]}${TEXT.slice(i)}`;
      expect(problemOf(long)).toContain(`63 characters instead of 62 near character ${i - run + 1} (`);
    }
  });

  it.each([
    ["a space before it", ` ${TEXT}`, "expected an address: sw1 and 59 more characters"],
    ["a space behind it", `${TEXT} `, '" " is in no address near character 63 ("7x "'],
    ["a line break in it", replaced(TEXT, 30, "\n"), '"\\n" is in no address near character 31'],
    ["a letter with an accent", replaced(TEXT, 30, "é"), '"é" is in no address near character 31'],
    ["another case of one letter", replaced(TEXT, 4, "T"), "mixed near character 5 ("],
    ["a small letter among capitals", replaced(TEXT.toUpperCase(), 4, "t"), "mixed near character 5 ("],
    ["half of it", TEXT.slice(0, 31), "31 characters instead of 62"],
    ["twice itself", TEXT + TEXT.slice(3), "121 characters instead of 62"],
    ["very much", TEXT.repeat(1000), "got 62000 characters"],
    ["its beginning alone", "sw1", 'got "sw1"'],
    ["another prefix", TEXT.replace("sw1", "bc1"), "does not begin with sw1 near character 1 ("],
    [
      "a good checksum of no key",
      "sw1qsqqzqsrqszsvpcgpy9qkrqdpc83qygjzv2p29shrqv35xcur50p7fv8ks9",
      "not a key",
    ],
    [
      "a good checksum of a short key",
      "sw1qgqqzqsrqszsvpcgpy9qkrqdpc83qygjzv2p29shrqv35xcur50qlmxmtd",
      "characters instead of 62",
    ],
    ["a bit behind the key", "sw1qgqqzqsrqszsvpcgpy9qkrqdpc83qygjzv2p29shrqv35xcur50pl62kn87", "not a key"],
    ["nothing", "", 'got ""'],
  ])("is refused with %s", (_, text, problem) => {
    const message = problemOf(text);
    expect(message).toContain(problem);
    expect(message.length).toBeLessThan(200);
  });

  it("is refused where it names no point of the curve", () => {
    const off = formatAddress(`02${"5".padStart(64, "0")}`);
    expect(problemOf(off)).toContain("expected a point on the curve secp256k1");
  });

  it("is not told apart by who reads it: errors never show what may be a secret", () => {
    for (const { secret } of vectors.keys) {
      for (const text of [
        secret,
        `0x${secret}`,
        secret.toUpperCase(),
        secret.slice(1),
        `${secret.slice(1)}g`,
        `nsec1${secret}`,
      ]) {
        const message = problemOf(text);
        expect(message.toLowerCase()).not.toContain(secret.slice(4, 12));
        expect(message).toContain(`got ${text.length} characters`);
      }
      expect(problemOf(secret)).toContain("as a secret key has");
    }
  });
});
