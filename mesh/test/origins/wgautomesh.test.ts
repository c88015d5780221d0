import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Settings } from "../../src/config/settings.js";
import { formatEndpoint } from "../../src/ip/endpoint.js";
import { formatPrefix } from "../../src/ip/prefix.js";
import { parseWgautomesh } from "../../src/origins/wgautomesh.js";
import { formatKey } from "../../src/wireguard-key.js";

/** With every key that there is, as NixOS and people write it. */
const TOML = `
interface = "wg0"
gossip_port = 1666
lan_discovery = true
upnp_forward_external_port = 33723
gossip_secret_file = "/var/lib/wgautomesh/gossip_secret"
persist_file = "/var/lib/wgautomesh/state"

[[peers]]
pubkey = "7Nm7pMmyS7Nts1MB+loyD8u84ODxHPTkDu+uqQR6yDk="
address = "10.14.1.2"
endpoint = "192.0.2.215:33722"

[[peers]]
pubkey = "XLOYoMXF+PO4jcgfSVAk+thh4VmWx0wzWnb0xs08G1s="
address = "10.14.4.1"
endpoint = "node.example:33734"

[[peers]]
pubkey = "m9rLf+233X1VColmeVrM/xfDGro5W6Gk5N0zqcf32WY="
address = "fd14::3:1"
`;

const KEY = "7Nm7pMmyS7Nts1MB+loyD8u84ODxHPTkDu+uqQR6yDk=";

const read = async (text: string): Promise<Settings> =>
  await parseWgautomesh(text, async (host) => (host === "node.example" ? ["198.51.100.4"] : []));

async function refusal(text: string): Promise<string> {
  return await read(text).then(
    () => "it is read",
    (error: unknown) => `${(error as { code?: string }).code}: ${(error as Error).message}`,
  );
}

describe("a file of wgautomesh", () => {
  it("comes to the same peers, ports and switches", async () => {
    const settings = await read(TOML);
    expect(settings).toMatchObject({
      interface: "wg0",
      lanDiscovery: true,
      portMapping: true,
      externalPort: 33_723,
    });
    expect(settings.create).toBeUndefined();
    const peers = settings.peers?.map(({ publicKey, allowedIps, endpoint }) => [
      formatKey(publicKey),
      allowedIps.map(formatPrefix).join(),
      endpoint && formatEndpoint(endpoint),
    ]);
    expect(peers).toEqual([
      ["7Nm7pMmyS7Nts1MB+loyD8u84ODxHPTkDu+uqQR6yDk=", "10.14.1.2/32", "192.0.2.215:33722"],
      ["XLOYoMXF+PO4jcgfSVAk+thh4VmWx0wzWnb0xs08G1s=", "10.14.4.1/32", "198.51.100.4:33734"],
      ["m9rLf+233X1VColmeVrM/xfDGro5W6Gk5N0zqcf32WY=", "fd14::3:1/128", undefined],
    ]);
  });

  it("says once what has no use any more", async () => {
    expect((await read(TOML)).notes).toEqual([
      expect.stringMatching(/^gossip_port has no use any more/),
      expect.stringMatching(/^gossip_secret has no use any more/),
      expect.stringMatching(/^persist_file is not read or written/),
    ]);
  });

  it("has wgautomesh's own defaults: nothing on the LAN, nothing of the router", async () => {
    expect(await read('interface = "route48"\ngossip_port = 1134\n')).toMatchObject({
      interface: "route48",
      lanDiscovery: false,
      portMapping: false,
      externalPort: undefined,
      peers: [],
      notes: [expect.stringMatching(/^gossip_port /)],
    });
  });

  it("names what is not known, with its place, and goes on", async () => {
    const { notes } = await read(
      `interface = "wg0"\ngossip_port = 1\ngosip_secret = "x"\n[[peers]]\npubkey = "${KEY}"\naddress = "10.0.0.1"\nport = 1\n`,
    );
    expect(notes).toEqual([
      "gosip_secret is not known here, and has no effect",
      "peers.0.port is not known here, and has no effect",
      expect.stringMatching(/^gossip_port /),
    ]);
  });

  it("counts the unknown keys that it does not name", async () => {
    const peers = Array.from(
      { length: 20 },
      () => `[[peers]]\npubkey = "${KEY}"\naddress = "10.0.0.1"\nport = 1\n`,
    );
    const { notes = [] } = await read(`interface = "wg0"\ngossip_port = 1\n${peers.join("")}`);
    expect(notes).toHaveLength(18);
    expect(notes).toContain("4 more keys are not known here, without effect");
  });

  it("says that IPv6 is not switched off, and that a peer has one endpoint", async () => {
    const peers = [1, 2].map(
      (i) => `[[peers]]\npubkey = "${KEY}"\naddress = "10.0.0.${i}"\nendpoint = "192.0.2.${i}:1"\n`,
    );
    const { notes } = await read(`interface = "wg0"\ngossip_port = 1\nipv6 = false\n${peers.join("")}`);
    expect(notes).toEqual([
      expect.stringMatching(/^gossip_port /),
      expect.stringMatching(/^ipv6 = false has no effect/),
      expect.stringMatching(/^peers\.0\.endpoint: of the 2 endpoints of this peer/),
    ]);
  });

  const HEAD = 'interface = "wg0"\ngossip_port = 1\n';

  it.each([
    ["", "INVALID_OPTION: interface: "],
    ['interface = "wg0"', "gossip_port: "],
    ['interface = "wg0"\ngossip_port = 65536', "gossip_port: "],
    [`${HEAD}lan_discovery = "yes"`, "lan_discovery: "],
    [
      `${HEAD}gossip_secret = "a"\ngossip_secret_file = "b"`,
      "gossip_secret and gossip_secret_file are both there",
    ],
    [`${HEAD}[[peers]]\npubkey = "x"\naddress = "10.0.0.1"`, "INVALID_KEY: peers.0.pubkey: 44 characters"],
    [`${HEAD}[[peers]]\npubkey = "${KEY}"`, "peers.0.address: "],
    [
      `${HEAD}[[peers]]\npubkey = "${KEY}"\naddress = "10.0.0.0/24"`,
      'peers.0.address "10.0.0.0/24": an address',
    ],
    [
      `${HEAD}[[peers]]\npubkey = "${KEY}"\naddress = "10.0.0.1"\nendpoint = "x"`,
      'peers.0.endpoint "x": a host and a port',
    ],
    [`${HEAD}nonsense`, "line 3, column "],
    [`${HEAD}gossip_port = 2`, "line 3, column "],
  ])("is refused with the place: %j", async (text, reason) => {
    expect(await refusal(text)).toContain(reason);
  });

  it("shows nothing of a secret beside a fault", async () => {
    expect(await refusal(`${HEAD}gossip_secret = "hunter2\n`)).not.toContain("hunter2");
  });

  it("is read, or refused with a code, whatever it holds", async () => {
    const line = fc.oneof(
      fc.constantFrom('interface = "wg0"', "gossip_port = 1", "[[peers]]", `pubkey = "${KEY}"`),
      fc.constantFrom(
        'address = "10.0.0.1"',
        "[peers]",
        "a.b.c = 1",
        "x = [[[[",
        "__proto__ = 1",
        "[__proto__]",
      ),
      fc.string({ unit: "binary", maxLength: 40 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 10 }), async (lines) => {
        expect(await refusal(lines.join("\n"))).toMatch(/^(it is read|INVALID_OPTION: |INVALID_KEY: )/);
      }),
      { numRuns: 300 },
    );
  });
});
