import { describe, expect, it } from "vitest";
import type { Settings } from "../../src/config/settings.js";
import { type Outside, originOf, parseAnyFormat } from "../../src/origins/read.js";
import { writtenSettings } from "../../src/origins/written.js";
import { parseKey } from "../../src/wireguard-key.js";
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

/** Without what is undefined, and with trust that is empty as none. */
function comparable({ trust = new Map(), peers = [], ...settings }: Settings): unknown {
  const rest = JSON.parse(JSON.stringify(settings)) as object;
  return { ...rest, names: [...settings.names], trust: [...trust], peers };
}
