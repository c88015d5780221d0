import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { type Host, NAT_KINDS, type NatKind } from "../../lab/index.js";
import { withLab } from "../support/needs.js";
import type { StunLine } from "../support/stun-program.js";

const PROGRAM = fileURLToPath(new URL("../support/stun-program.ts", import.meta.url));

/** Mapping and filtering of each kind, as STUN shows them. */
const EXPECTED: Readonly<Record<string, readonly [verdict: string, filtering: string]>> = {
  open: ["open", "endpoint-independent"],
  "full-cone": ["stable", "endpoint-independent"],
  "address-restricted": ["stable", "address-dependent"],
  "port-restricted": ["stable", "address-and-port-dependent"],
  "port-shifting": ["stable", "address-and-port-dependent"],
  symmetric: ["symmetric", "address-and-port-dependent"],
  "udp-blocked": ["unknown", "unknown"],
};

async function askFrom(host: Host, port: string, servers: readonly string[]): Promise<StunLine> {
  await using program = host.spawn([
    process.execPath,
    "--import",
    "tsx",
    PROGRAM,
    port,
    host.address(),
    ...servers,
  ]);
  const [, text = ""] = await program.wrote(/^said (.*)$/m);
  return JSON.parse(text);
}

withLab("coturn in the middle", (startLab) => {
  it("tells of each NAT what it is", async () => {
    const box = (kind: string): string => `n-${kind.slice(0, 12)}`;
    const inside = (kind: string): string => `h-${kind.slice(0, 12)}`;
    await using lab = await startLab({
      nats: Object.fromEntries(NAT_KINDS.map((kind) => [box(kind), { kind }])),
      hosts: Object.fromEntries(NAT_KINDS.map((kind) => [inside(kind), { behind: box(kind) }])),
      stun: true,
    });
    const look = async (kind: NatKind): Promise<void> => {
      const host = lab.host(inside(kind));
      const { port, verdict, seen, filtering } = await askFrom(host, "0", lab.stun);
      expect([kind, verdict, filtering]).toEqual([kind, ...(EXPECTED[kind] ?? [])]);
      if (kind === "udp-blocked") return;
      // Two servers, each asked from the address that the kernel chooses and from the own one: the same.
      expect(seen, kind).toHaveLength(4);
      expect(new Set(seen.map(({ local }) => local))).toEqual(new Set([null, host.address()]));
      const outside = kind === "open" ? host.address() : lab.nat(box(kind)).outside[0];
      expect(new Set(seen.map(({ address }) => address)), kind).toEqual(new Set([outside]));
      if (["open", "full-cone", "port-restricted"].includes(kind))
        expect(new Set(seen.map((one) => one.port)), kind).toEqual(new Set([port]));
    };
    await Promise.all(NAT_KINDS.map(look));
  });

  it("sees WireGuard's own port, from each own address, where the rules are there", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "port-restricted" } },
      hosts: { ha: { behind: "a" } },
      stun: true,
    });
    const { seen, verdict } = await askFrom(lab.host("ha"), "51820", lab.stun);
    expect(verdict).toBe("stable");
    expect(seen).toHaveLength(4);
    expect(new Set(seen.map(({ port }) => port))).toEqual(new Set([51_820]));
  });
});
