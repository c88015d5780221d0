import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hostEntries, type NamedNetwork } from "../../src/names/host-names.js";
import { withBlock, withoutBlock } from "../../src/names/hosts-block.js";

const SYSTEM = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n";

const office: NamedNetwork = {
  network: "office",
  members: [
    { name: "ann", addresses: ["10.9.0.1", "fd00::1"] },
    { name: "ben", addresses: ["10.9.0.2"] },
  ],
};

const BLOCK = `# BEGIN sidewire-mesh wg0
# Written by sidewire-mesh while it runs: a change of these lines does not last.
10.9.0.1 ann.office.internal ann.office
fd00::1 ann.office.internal ann.office
10.9.0.2 ben.office.internal ben.office
# END sidewire-mesh wg0
`;

function network(name: string, ...members: readonly string[]): NamedNetwork {
  return {
    network: name,
    members: members.map((one, i) => ({ name: one, addresses: [`10.9.0.${i + 1}`] })),
  };
}

describe("the block of an interface", () => {
  it("stands at the end, in place of the one before, and goes without a trace", () => {
    const text = withBlock(SYSTEM, "wg0", office);
    expect(text).toBe(SYSTEM + BLOCK);
    const more = `${text}192.0.2.1 later\n`;
    const changed = withBlock(more, "wg0", network("office", "eve"));
    expect(changed).toMatch(
      /localhost\n# BEGIN.*\n.*\n10\.9\.0\.1 eve\.office.*\n# END.*\n192\.0\.2\.1 later\n$/,
    );
    expect(withoutBlock(changed, "wg0")).toBe(`${SYSTEM}192.0.2.1 later\n`);
  });

  it("stands at the top of a file whose last line has no end", () => {
    const text = "127.0.0.1 localhost";
    expect(withBlock(text, "wg0", office)).toBe(BLOCK + text);
    expect(withoutBlock(BLOCK + text, "wg0")).toBe(text);
  });

  it("is taken out where a killed run has left it, also when its end is missing", () => {
    const cut = BLOCK.split("\n").slice(0, 4).join("\n");
    expect(withoutBlock(`${SYSTEM}${cut}\n192.0.2.7 nas.lan\n`, "wg0")).toBe(`${SYSTEM}192.0.2.7 nas.lan\n`);
    expect(withoutBlock(`${SYSTEM}# END sidewire-mesh wg0\n192.0.2.7 nas.lan\n`, "wg0")).toBe(
      `${SYSTEM}192.0.2.7 nas.lan\n`,
    );
    // Two of them, and one whose end an editor has changed.
    expect(withoutBlock(BLOCK + SYSTEM + BLOCK.replaceAll("\n", "\r\n"), "wg0")).toBe(SYSTEM);
  });

  it("leaves what others wrote between its markers", () => {
    const between = BLOCK.replace("fd00::1", "192.0.2.7 nas # mine\nfd00::1");
    expect(withoutBlock(SYSTEM + between, "wg0")).toBe(`${SYSTEM}192.0.2.7 nas # mine\n`);
  });

  it("leaves that of another interface, also where its own end is missing before it", () => {
    const other = withBlock("", "wg1", network("home", "pi"));
    const cut = BLOCK.replace(/# END.*\n/, "");
    expect(withoutBlock(cut + other + BLOCK, "wg0")).toBe(other);
    expect(withBlock(other, "wg0", office)).toBe(other + BLOCK);
    // wg0 is the beginning of wg01.
    const longer = withBlock("", "wg01", office);
    expect(withoutBlock(longer, "wg0")).toBe(longer);
  });

  it("does not give a name that another line gives", () => {
    const text = `${SYSTEM}192.0.2.9 ANN.office ben.office.internal ben.office # eve.office\n`;
    const block = withBlock(text, "wg0", network("office", "ann", "ben", "eve")).slice(text.length);
    expect(block.split("\n").slice(2, -2)).toEqual([
      "10.9.0.1 ann.office.internal",
      "10.9.0.3 eve.office.internal eve.office",
    ]);
    // A second network of the same name comes after the first.
    const both = withBlock(withBlock("", "wg0", office), "wg1", office);
    expect(both).toBe(BLOCK);
  });

  it("is not there when there is nothing to name", () => {
    expect(withBlock(SYSTEM + BLOCK, "wg0", network("office"))).toBe(SYSTEM);
  });
});

describe("names of others", () => {
  it.each([
    "",
    "localhost",
    "a b",
    "a.b",
    "a\n127.0.0.1 bank",
    "a\r",
    "a\0",
    "A",
    "-a",
    "a-",
    "*",
    "ä",
    "a#",
    "a".repeat(64),
    "(",
  ])("%j is nobody's", (name) => {
    expect(hostEntries(network("office", name))).toEqual([]);
    expect(hostEntries(network(name, "ann"))).toEqual([]);
    expect(withBlock(SYSTEM, "wg0", network(name, name))).toBe(SYSTEM);
  });

  it.each(["com", "dev", "de", "google2.com", "xn--p1ai", "local", "internal", "test"])(
    "members of a network %s take over no name outside",
    (name) => {
      for (const { names } of hostEntries(network(name, "www")))
        expect(names).toEqual([`www.${name}.internal`]);
    },
  );

  it.each(["google", "docker", "containers"])("a network %s has none, since they are a cloud's", (name) => {
    expect(hostEntries(network(name, "metadata", "host"))).toEqual([]);
  });

  it("go to the first who has one, and to so many at most", () => {
    expect(hostEntries(network("office", "ann", "ann"))).toEqual([
      { address: "10.9.0.1", names: ["ann.office.internal", "ann.office"] },
    ]);
    const many = Array.from({ length: 2000 }, (_, i) => ({ name: `m${i}`, addresses: Array(9).fill("::1") }));
    expect(hostEntries({ network: "office", members: many })).toHaveLength(4000);
  });

  it("lead to addresses alone", () => {
    const addresses = ["10.9.0.1 evil", "fe80::1%eth0", "x", "", "10.9.0.1\n", "::ffff:10.9.0.1"];
    expect(hostEntries({ network: "office", members: [{ name: "ann", addresses }] })).toEqual([]);
    expect(
      hostEntries({ network: "office", members: [{ name: "ann", addresses: ["::ffff:10.9.0.1"] }] }),
    ).toMatchObject([{ address: "10.9.0.1" }]);
  });
});

describe("any hosts file", () => {
  const label = fc.oneof(
    fc.stringMatching(/^[a-z\d]([a-z\d-]{0,5}[a-z\d])?$/),
    fc.constantFrom("localhost", "office", "com", "ann"),
    fc.string(),
  );
  const anyNetwork = fc.record({
    network: label,
    members: fc.array(
      fc.record({
        name: label,
        addresses: fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), { maxLength: 3 }),
      }),
      { maxLength: 6 },
    ),
  });
  const line = fc.oneof(
    fc.string({ unit: "binary-ascii" }).map((text) => text.replaceAll("\n", "")),
    fc
      .array(fc.integer({ min: 0, max: 255 }), { maxLength: 20 })
      .map((bytes) => Buffer.from(bytes).toString("latin1").replaceAll("\n", "")),
    fc.constantFrom(
      "# BEGIN sidewire-mesh wg1",
      "# END sidewire-mesh wg1",
      "# BEGIN sidewire-mesh wg0 ",
      "10.9.0.1 ann.office.internal ann.office",
      "127.0.0.1\tlocalhost",
      "",
    ),
  );
  const ownMarkers = fc.constantFrom("# BEGIN sidewire-mesh wg0", "# END sidewire-mesh wg0");
  const textOf = (lines: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    fc
      .tuple(fc.array(fc.tuple(lines, fc.constantFrom("\n", "\r\n"))), fc.oneof(fc.constant(""), lines))
      .map(([all, last]) => all.map(([one, end]) => one + end).join("") + last);
  const foreign = textOf(line).filter((text) => !/^# (BEGIN|END) sidewire-mesh wg0\r?$/m.test(text));
  const any = textOf(fc.oneof(line, ownMarkers));

  it("has the lines of others as they were, and is as before when the block is gone", () => {
    fc.assert(
      fc.property(foreign, anyNetwork, anyNetwork, (text, first, second) => {
        const one = withBlock(text, "wg0", first);
        const two = withBlock(one, "wg0", second);
        expect(withoutBlock(text, "wg0")).toBe(text);
        expect(withoutBlock(one, "wg0")).toBe(text);
        expect(withoutBlock(two, "wg0")).toBe(text);
        expect(two).toBe(withBlock(text, "wg0", second));
      }),
      { numRuns: 1000 },
    );
  });

  it("is not changed by a second time, whatever of a block is in it", () => {
    fc.assert(
      fc.property(any, anyNetwork, (text, names) => {
        const once = withBlock(text, "wg0", names);
        expect(withBlock(once, "wg0", names)).toBe(once);
        const without = withoutBlock(text, "wg0");
        expect(withoutBlock(without, "wg0")).toBe(without);
        expect(withoutBlock(once, "wg0")).toBe(without);
        expect(without).not.toMatch(/^# (BEGIN|END) sidewire-mesh wg0\r?$/m);
      }),
      { numRuns: 1000 },
    );
  });

  it("holds two interfaces, which end in any order", () => {
    const theirs = textOf(line.filter((one) => !one.startsWith("# ")));
    fc.assert(
      fc.property(theirs, anyNetwork, anyNetwork, fc.boolean(), (text, zero, one, isZeroFirst) => {
        const both = withBlock(withBlock(text, "wg0", zero), "wg1", one);
        const [first, second] = isZeroFirst ? ["wg0", "wg1"] : ["wg1", "wg0"];
        expect(withoutBlock(withoutBlock(both, first), second)).toBe(text);
        expect(withBlock(both, "wg0", { ...zero, members: [] })).toBe(withoutBlock(both, "wg0"));
      }),
    );
  });

  it("has no line of ours but an address and names below the network", () => {
    fc.assert(
      fc.property(anyNetwork, (names) => {
        const lines = withBlock("", "wg0", names).split("\n").slice(2, -2);
        const shape = /^[\da-f.:]+ ([a-z\d-]{1,63})\.([a-z\d-]{1,63})\.internal( \1\.\2)?$/;
        for (const one of lines) expect(shape.exec(one)?.[2]).toBe(names.network);
      }),
    );
  });
});
