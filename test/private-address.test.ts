import { once } from "node:events";
import { createServer } from "node:net";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { brokerOfHint, MAX_HINTS, parseHints } from "../src/brokers/hints.js";
import { platform as browser } from "../src/platform/browser.js";
import { platform as node } from "../src/platform/node.js";
import { isPrivateHost } from "../src/platform/private-address.js";
import { openSocket } from "../src/platform/socket.js";
import { type BrokerPool, parseBrokerPool } from "../src/wire/broker-pool.js";

/** IPv4 networks that are nobody's on the internet, in the notation of RFC 6890. */
const PRIVATE_IPV4: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

const networks = PRIVATE_IPV4.map((network) => {
  const [address = "", bits = ""] = network.split("/");
  const size = 2 ** (32 - Number(bits));
  return { first: numberOf(address), size };
});

function numberOf(address: string): number {
  return address.split(".").reduce((number, byte) => number * 256 + Number(byte), 0);
}

function bytesOf(number: number): [number, number, number, number] {
  const byte = (shift: number): number => Math.floor(number / 2 ** shift) % 256;
  return [byte(24), byte(16), byte(8), byte(0)];
}

function dotted(number: number): string {
  return bytesOf(number).join(".");
}

function isPrivateNumber(number: number): boolean {
  return networks.some(({ first, size }) => number >= first && number < first + size);
}

/** Spellings of one IPv4 address that resolvers and URL parsers take for it. */
function spellingsOf(number: number): string[] {
  const [a, b, c, d] = bytesOf(number);
  const hex = (value: number): string => `0x${value.toString(16)}`;
  const octal = (value: number): string => `0${value.toString(8)}`;
  return [
    dotted(number),
    `${dotted(number)}.`,
    String(number),
    hex(number),
    hex(number).toUpperCase().replace("0X", "0x"),
    octal(number),
    [a, b, c, d].map(hex).join("."),
    [a, b, c, d].map(octal).join("."),
    `${a}.${b * 65_536 + c * 256 + d}`,
    `${a}.${b}.${c * 256 + d}`,
    `${hex(a)}.${octal(b)}.${c}.${d}`,
  ];
}

/** The same address inside of IPv6 ones. */
function embeddedIn(number: number): string[] {
  const [a, b, c, d] = bytesOf(number);
  const hex = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  return [
    `::ffff:${dotted(number)}`,
    `::ffff:${hex}`,
    `0:0:0:0:0:FFFF:${hex}`,
    `::${hex}`,
    `64:ff9b::${hex}`,
  ];
}

const anyNumber = fc.oneof(
  fc.nat(0xffff_ffff),
  // The first and last address of each network, and those beside them.
  fc
    .tuple(fc.constantFrom(...networks), fc.constantFrom(-1, 0, 1), fc.boolean())
    .map(([{ first, size }, offset, atEnd]) => first + offset + (atEnd ? size - 1 : 0))
    .filter((number) => number >= 0 && number <= 0xffff_ffff),
);

describe("an IPv4 address", () => {
  it("is private in all its spellings, or in none", () => {
    fc.assert(
      fc.property(anyNumber, (number) => {
        const spellings = spellingsOf(number);
        expect(spellings.map(isPrivateHost)).toEqual(spellings.map(() => isPrivateNumber(number)));
      }),
      { numRuns: 2000 },
    );
  });

  it("is never public inside of an IPv6 address", () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), (number) => {
        expect(embeddedIn(number).filter((host) => !isPrivateHost(host))).toEqual([]);
      }),
    );
  });
});

describe("an IPv6 address", () => {
  const anyGroups = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 });

  /** The same address written out, with upper-case digits, with leading zeros, and shortened. */
  const spellings = (groups: readonly number[]): string[] => {
    const plain = groups.map((group) => group.toString(16)).join(":");
    const long = groups.map((group) => group.toString(16).padStart(4, "0")).join(":");
    return [plain, plain.toUpperCase(), long, plain.replace(/(^|:)0(:0)+(:|$)/, "::")];
  };

  it("is private by its first bits, in every spelling", () => {
    fc.assert(
      fc.property(
        anyGroups,
        fc.constantFrom([0xfc00, 0xfdff], [0xfe80, 0xfebf], [0xfec0, 0xfeff], [0xff00, 0xffff]),
        fc.nat(0xffff),
        ([, ...rest], [low = 0, high = 0], offset) => {
          const first = low + (offset % (high - low + 1));
          for (const host of spellings([first, ...rest])) expect(isPrivateHost(host)).toBe(true);
        },
      ),
    );
  });

  it("is public where it is somebody's", () => {
    fc.assert(
      fc.property(anyGroups, fc.integer({ min: 0x2400, max: 0x3eff }), ([, ...rest], first) => {
        for (const host of spellings([first, ...rest])) expect(isPrivateHost(host)).toBe(false);
      }),
    );
  });

  it.each(["::", "::1", "0:0:0:0:0:0:0:1", "fe80::1%eth0", "fe80::1%25eth0", "::ffff:0:7f00:1", "::2"])(
    "%s is private",
    (host) => expect(isPrivateHost(host)).toBe(true),
  );

  it.each(["2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1"])("%s is public", (host) =>
    expect(isPrivateHost(host)).toBe(false),
  );
});

describe("a name", () => {
  it.each([
    "localhost",
    "LocalHost",
    "localhost.",
    "a.localhost",
    "a.b.localhost.",
    "local",
    "printer.local",
    "printer.LOCAL.",
    "127%2e0.0.1",
    "%31%32%37.0.0.1",
    "%6c%6f%63%61%6c%68%6f%73%74",
  ])("%s is private", (host) => expect(isPrivateHost(host)).toBe(true));

  it.each([
    "broker.example.com",
    "local.example.com",
    "localhost.example.com",
    "xlocal",
    "x.locals",
    "a_b.example",
    "10.example.com",
    "0.tcp.example.io",
    "192.168.example.com",
    "127.example.com",
  ])("%s is not", (host) => expect(isPrivateHost(host)).toBe(false));

  it.each(["", " ", "a b", "a/b", "a:1883", "[::1]", "u@a", "a%00b", "256.1.1.1", "1.2.3.4.5", "a|b", "a<b"])(
    "%o, which is none, counts as private",
    (host) => {
      // What a URL takes for something behind the host is refused before: it is no host.
      if (/[/@]/.test(host)) return expect(parseHints([{ af: 2, host, port: 1 }]).usable).toEqual([]);
      expect(isPrivateHost(host)).toBe(true);
    },
  );

  it("is judged without ever throwing", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.webAuthority()), (host) => {
        expect(typeof isPrivateHost(host)).toBe("boolean");
      }),
      { numRuns: 1000 },
    );
  });

  it("is looked up before it is dialled, and refused where it leads to a private address", async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections++;
      socket.end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const target = {
      transport: "mqtt",
      family: "IPv4",
      // What any name is that a resolver answers with loopback.
      host: "localhost",
      port,
      path: "/",
      localAddress: undefined,
      ca: undefined,
    } as const;

    const { signal } = new AbortController();
    const refused = openSocket({ ...target, publicOnly: true }, signal);
    await expect(refused).rejects.toThrow("private address");
    const connected = once(server, "connection");
    const taken = await openSocket({ ...target, publicOnly: false }, signal);
    await connected;
    taken.destroy();
    expect(connections).toBe(1);
  });
});

describe("a stranger's hints", () => {
  const pool: BrokerPool = parseBrokerPool({
    IPv4: {
      "a.example": { port: 1883, tls: 8883, username: "alice", password: "hunter2" },
      "10.0.0.5": { port: 1883 },
    },
    IPv6: { "a.example": { port: 1883 } },
  });
  const anyHost = fc.oneof(
    anyNumber.chain((number) => fc.constantFrom(...spellingsOf(number), ...embeddedIn(number))),
    fc.constantFrom("localhost", "a.example", "10.0.0.5", "fe80::1", "::1", "printer.local"),
    fc.domain().filter((host) => host.length <= 253),
  );
  const anyHints = fc.array(
    fc.record({ af: fc.constantFrom(2, 10), host: anyHost, port: fc.integer({ min: 1, max: 65_535 }) }),
    { maxLength: 40 },
  );

  it("lead to six brokers at most, at public addresses or in the pool, and take no credentials elsewhere", () => {
    fc.assert(
      fc.property(anyHints, (hints) => {
        const brokers = parseHints(hints).usable.flatMap((hint) => brokerOfHint(hint, pool, false) ?? []);
        expect(brokers.length).toBeLessThanOrEqual(MAX_HINTS);
        for (const broker of brokers) {
          const entry = pool[broker.family]?.[broker.host];
          if (entry === undefined) {
            expect(isPrivateHost(broker.host)).toBe(false);
            expect(broker.publicOnly).toBe(true);
          }
          const ofPool = entry !== undefined && [entry.port, entry.tls].includes(broker.port ?? broker.tls);
          if (!ofPool) expect([broker.username, broker.password]).toEqual([undefined, undefined]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("lead to private addresses where that is allowed", () => {
    const hint = { af: 2, host: "10.1.2.3", port: 1883 } as const;
    expect(brokerOfHint(hint, pool, false)).toBeUndefined();
    expect(brokerOfHint(hint, pool, true)).toMatchObject({ host: "10.1.2.3", publicOnly: false });
    expect(brokerOfHint({ ...hint, host: "10.0.0.5" }, pool, false)).toMatchObject({ host: "10.0.0.5" });
  });

  it("lead a browser to its own pool alone", () => {
    for (const host of ["broker.example.com", "8.8.8.8", "localhost"]) {
      expect(browser.isPrivateHost(host)).toBe(true);
      expect(node.isPrivateHost(host)).toBe(host === "localhost");
    }
  });
});
