import { describe, expect, it } from "vitest";
import type { Settings } from "../../src/config/settings.js";
import { formatPrefix } from "../../src/ip/prefix.js";
import { type Outside, originOf, parseAnyFormat } from "../../src/origins/read.js";
import { writtenSettings } from "../../src/origins/written.js";
import { formatKey, parseKey } from "../../src/wireguard-key.js";
import { KEY_A, KEY_B } from "../support/fake-mesh.js";

const PRIVATE = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
const PRESHARED = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=";

const CONF = `[Interface]
PrivateKey = ${PRIVATE}
Address = 10.9.0.1/24
MTU = 1380
PreDown = logger %i
[Peer]
PublicKey = ${KEY_A}
PresharedKey = ${PRESHARED}
AllowedIPs = 10.9.0.2/32
Endpoint = 192.0.2.1:51820
`;

const TOML = `interface = "wg0"
gossip_port = 1666
upnp_forward_external_port = 33723
[[peers]]
pubkey = "${KEY_A}"
address = "10.14.1.2"
endpoint = "192.0.2.215:33722"
`;

const WIRELINK = JSON.stringify({
  HideIfaces: ["docker*"],
  Peers: [
    { PublicKey: KEY_A, Name: "Office Router", Trust: "Membership", AllowedIPs: ["10.9.0.0/24"] },
    { PublicKey: KEY_B, Trust: "Endpoint" },
  ],
});

const outside: Outside = {
  env: {},
  lookUp: async () => [],
  readText: async (path) => {
    throw new Error(`nothing is at ${path}`);
  },
  readKey: async (path) => parseKey(path.endsWith(".psk") ? PRESHARED : PRIVATE),
};

describe("whose file it is", () => {
  it.each([
    ["/etc/wireguard/wg0.conf", "", "wg-quick"],
    ["wg0.txt", "# by hand\n\n [ interface ]\n", "wg-quick"],
    ["/etc/wgautomesh.toml", "", "wgautomesh"],
    ["/etc/wireguard/wirelink.wg0.json", "{}", "wirelink"],
    ["wirelink.wg0.yaml", "", "wirelink"],
    ["wirelink.wg0.YML", "", "wirelink"],
    ["wirelink.wg0.toml", "", "wirelink"],
    ["wg0.json", "{}", "own"],
    ["wirelink.json.bak", "{}", "own"],
    ["config", "{}", "own"],
  ])("%s is told by its name, or its first line", (path, text, origin) => {
    expect(originOf(path, text)).toBe(origin);
  });

  it("says what a YAML file of wirelink is called", () => {
    expect(() => originOf("wg0.yaml", "")).toThrow("wirelink.wg0.yaml");
  });
});

describe("a configuration of any format", () => {
  it("is for the interface that its file is called after", async () => {
    expect((await parseAnyFormat(CONF, "/etc/wireguard/home.conf", outside)).interface).toBe("home");
    expect((await parseAnyFormat("{}", "/x/wirelink.wg-office.json", outside)).interface).toBe("wg-office");
    expect((await parseAnyFormat(`\ufeff${CONF}`, "home.conf", outside)).interface).toBe("home");
  });

  it.each([
    ["wgautomesh.toml", `${TOML}[[peers]]\npubkey = "${KEY_A}"\naddress = "fd14::2"\n`],
    [
      "wirelink.wg0.json",
      JSON.stringify({
        Peers: ["10.14.1.2", "fd14::2"].map((ip) => ({ PublicKey: KEY_A, AllowedIPs: [ip] })),
      }),
    ],
    [
      "wg0.json",
      JSON.stringify({
        addPeers: true,
        peers: ["10.14.1.2", "fd14::2"].map((ip) => ({ publicKey: KEY_A, allowedIps: [ip] })),
      }),
    ],
    [
      "wg0.conf",
      `[Interface]\nPrivateKey = ${PRIVATE}\n${["10.14.1.2", "fd14::2"]
        .map((ip) => `[Peer]\nPublicKey = ${KEY_A}\nAllowedIPs = ${ip}\n`)
        .join("")}`,
    ],
  ])("makes one peer of two with the same key: %s", async (path, text) => {
    const { create, peers = create?.peers } = await parseAnyFormat(text, path, outside);
    expect(peers?.map(({ allowedIps }) => allowedIps.map(formatPrefix))).toEqual([
      ["10.14.1.2/32", "fd14::2/128"],
    ]);
  });

  it.each([
    ["wgautomesh.toml", TOML.replace("wg0", "../evil")],
    ["wirelink.wg0.json", '{"Iface": "../evil"}'],
    ["wg0.json", '{"interface": "../evil"}'],
    ["a name that is too long.conf", CONF],
  ])("is refused with a name that no interface can have: %s", async (path, text) => {
    await expect(parseAnyFormat(text, path, outside)).rejects.toThrow("interface: a name of 1 to 15");
  });

  it.each([
    ["wg0.conf", CONF],
    ["wgautomesh.toml", TOML],
    ["wirelink.wg0.json", WIRELINK],
  ])("means the same once it is written in our own: %s", async (path, text) => {
    const { notes: _, ...before } = await parseAnyFormat(text, path, outside);
    const { json, secrets } = writtenSettings(before);
    const after = await parseAnyFormat(JSON.stringify(json), "/etc/sidewire-mesh/wg0.json", outside);
    const named = new Map([...before.names].map(([key]) => [key, "office-router"]));
    expect(comparable(after)).toEqual(comparable({ ...before, names: named }));
    // No secret is in what may be shown.
    for (const secret of [PRIVATE, PRESHARED]) expect(JSON.stringify(json)).not.toContain(secret);
    expect(secrets.map(({ name }) => name)).toEqual(path === "wg0.conf" ? ["wg0.peer1.psk", "wg0.key"] : []);
  });
});

describe("a place with a name, once it is written in our own format", () => {
  const places = { "home.example": ["192.0.2.9"], "gone.example": [] } as Readonly<Record<string, string[]>>;
  const online: Outside = { ...outside, lookUp: async (host) => places[host] ?? [] };
  const endpointsIn = (settings: Settings): unknown =>
    (writtenSettings(settings).json.peers as { endpoint?: string }[]).map(({ endpoint }) => endpoint);

  it.each(["home.example:51820", "gone.example:51820", "[fe80::1%eth0]:51820", "192.0.2.1:51820"])(
    "is %s as before, whether or not it can be looked up now",
    async (place) => {
      const files = [
        ["wg0.conf", CONF.replace("192.0.2.1:51820", place)],
        ["wgautomesh.toml", TOML.replace("192.0.2.215:33722", place)],
        [
          "wirelink.wg0.json",
          JSON.stringify({ Peers: [{ PublicKey: KEY_A, AllowedIPs: ["10.9.0.2/32"], Endpoints: [place] }] }),
        ],
      ] as const;
      for (const [path, text] of files) {
        const before = await parseAnyFormat(text, path, online);
        const { json } = writtenSettings(before);
        expect(endpointsIn(before)).toEqual([place]);
        const after = await parseAnyFormat(JSON.stringify(json), "/etc/sidewire-mesh/wg0.json", online);
        expect(endpointsIn(after)).toEqual([place]);
        const [one, other] = [before, after].map(
          ({ create, peers }) => (create?.peers ?? peers)?.[0]?.endpoint,
        );
        expect(other).toEqual(one);
        const noted = ({ notes = [] }: Settings): unknown =>
          notes.some((note) => note.includes(place.split(":5")[0] ?? ""));
        expect(noted(after)).toBe(one === undefined);
      }
    },
  );

  it("is the one of several that counts", async () => {
    const endpointOf = async (Endpoints: string[]): Promise<unknown> => {
      const text = JSON.stringify({ Peers: [{ PublicKey: KEY_A, Endpoints }] });
      return endpointsIn(await parseAnyFormat(text, "wirelink.wg0.json", online));
    };
    expect(await endpointOf(["gone.example:1", "home.example:2", "192.0.2.1:3"])).toEqual(["home.example:2"]);
    expect(await endpointOf(["gone.example:1", "192.0.2.1:3", "home.example:2"])).toEqual(["192.0.2.1:3"]);
    expect(await endpointOf(["gone.example:1", "[fe80::1%eth0]:2"])).toEqual(["gone.example:1"]);
  });
});

describe("names of peers, once they are written in our own format", () => {
  it("stay apart, also where they begin with the same label", async () => {
    const Peers = ["laptop.home", "laptop.office", "phone.a", "phone", "Phone A", "phone a"].map(
      (Name, i) => ({
        PublicKey: formatKey(new Uint8Array(32).fill(i + 1)),
        ...{ Name, AllowedIPs: [`10.9.0.${i + 2}/32`] },
      }),
    );
    const settings = await parseAnyFormat(JSON.stringify({ Peers }), "wirelink.wg0.json", outside);
    const written = writtenSettings(settings).json.peers as { name: string }[];
    expect(written.map(({ name }) => name)).toEqual([
      ...["laptop", "laptop-office", "phone-a", "phone", "phone-a-2", "phone-a-3"],
    ]);
  });
});

/** Without what is undefined, and with trust that is empty as none. */
function comparable({ trust = new Map(), peers = [], ...settings }: Settings): unknown {
  const rest = JSON.parse(JSON.stringify(settings)) as object;
  return { ...rest, names: [...settings.names], trust: [...trust], peers };
}
