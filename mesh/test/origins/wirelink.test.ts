import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { Settings } from "../../src/config/settings.js";
import { formatEndpoint } from "../../src/ip/endpoint.js";
import { formatPrefix } from "../../src/ip/prefix.js";
import { parseWirelink, type WirelinkLanguage } from "../../src/origins/wirelink.js";
import { formatKey } from "../../src/wireguard-key.js";
import { KEY_A, KEY_B, KEY_C } from "../support/fake-mesh.js";

/** With everything that wirelink knows, in its own spelling. */
const CONFIG = {
  Router: "auto",
  Port: 51_821,
  Chatty: true,
  ReportIfaces: ["eth*", "wlan0"],
  HideIfaces: ["docker*", "br-?*"],
  Peers: [
    {
      PublicKey: KEY_A,
      Name: "office router",
      Trust: "Membership",
      FactExchanger: true,
      Endpoints: ["office.example:51820", "192.0.2.1:51820"],
      AllowedIPs: ["10.9.0.0/24", "10.9.0.1/32"],
    },
    { PublicKey: KEY_B, Name: "laptop", FactExchanger: true },
    { PublicKey: KEY_C, Basic: true, AllowedIPs: ["10.9.0.7/32"] },
  ],
};

const read = async (
  text: string,
  language: WirelinkLanguage = "json",
  env: NodeJS.ProcessEnv = {},
): Promise<Settings> =>
  await parseWirelink(text, language, "wg0", {
    env,
    lookUp: async (host) => (host === "office.example" ? ["198.51.100.4"] : []),
  });

async function refusal(text: string, language?: WirelinkLanguage, env?: NodeJS.ProcessEnv): Promise<string> {
  return await read(text, language, env).then(
    () => "it is read",
    (error: unknown) => `${(error as { code?: string }).code}: ${(error as Error).message}`,
  );
}

describe("a file of wirelink", () => {
  it.each([
    ["json", JSON.stringify(CONFIG)],
    ["yaml", stringify(CONFIG)],
    // viper does not tell capitals apart.
    [
      "yaml",
      stringify(CONFIG)
        .toLowerCase()
        .replace("membership", "Membership")
        .replace(/publickey: .*/g, ""),
    ],
  ] as const)("comes to peers, trust, names and interfaces, in %s", async (language, text) => {
    if (!text.includes(KEY_A)) return expect(await refusal(text, language)).toContain("peers.0.publickey");
    const settings = await read(text, language);
    expect(settings.interface).toBe("wg0");
    expect(settings.create).toBeUndefined();
    const peers = settings.peers?.map(({ publicKey, allowedIps, endpoint }) => [
      formatKey(publicKey),
      allowedIps.map(formatPrefix).join(),
      endpoint && formatEndpoint(endpoint),
    ]);
    expect(peers).toEqual([
      [KEY_A, "10.9.0.0/24,10.9.0.1/32", "198.51.100.4:51820"],
      [KEY_C, "10.9.0.7/32", undefined],
    ]);
    // Whom it exchanges facts with is told of everybody.
    expect([...(settings.trust ?? [])]).toEqual([
      [KEY_A, "Membership"],
      [KEY_B, "Endpoint"],
    ]);
    expect([...settings.names]).toEqual([
      [KEY_A, "office router"],
      [KEY_B, "laptop"],
    ]);
    expect([settings.router, settings.chatty]).toEqual([undefined, true]);
    expect(settings.reported).toEqual({ only: ["eth*", "wlan0"], hidden: ["docker*", "br-?*"] });
    expect(settings.notes).toEqual([
      expect.stringMatching(/^port has no use/),
      expect.stringMatching(/^router: auto has no use/),
      expect.stringMatching(/^basic has no use/),
      expect.stringMatching(/^peers\.0\.endpoints: of the 2 endpoints of this peer, only the first/),
    ]);
  });

  it("takes what the environment says before what it says itself", async () => {
    const env = { WIRELINK_IFACE: "wg7", WIRELINK_ROUTER: "true", WIRELINK_CHATTY: "" };
    const settings = await read('{"Iface": "wg1", "Chatty": false}', "json", env);
    expect(settings.interface).toBe("wg7");
    expect(settings).toMatchObject({ router: true, notes: [] });
    expect(settings.chatty).toBeUndefined();
    expect(await refusal("{}", "json", { WIRELINK_ROUTER: "perhaps" })).toContain("INVALID_OPTION: router: ");
    expect(await refusal("{}", "json", { WIRELINK_PORT: "70000" })).toContain("INVALID_OPTION: port: ");
  });

  it.each([
    ["{}", {}, /^router: without it, this host is no router/],
    ['{"Router": "auto"}', {}, /^router: auto has no use/],
    ['{"Debug": true, "Router": false}', {}, /^debug has no use/],
    ['{"Dump": true, "Router": false}', {}, /^dump has no effect in a file: see sidewire-mesh config show/],
    ['{"Router": false}', { WIRELINK_DEBUG: "1" }, /^debug has no use/],
    ['{"Router": false}', { WIRELINK_HIDEIFACES: "docker*" }, /^WIRELINK_HIDEIFACES is not known here/],
  ])("says what has another meaning here, or none: %s %j", async (text, env, note) => {
    expect((await read(text, "json", env)).notes).toEqual([expect.stringMatching(note)]);
  });

  it("says nothing of Router where it is false, or where a peer is a router", async () => {
    const withRouter = { Peers: [{ PublicKey: KEY_A, AllowedIPs: ["10.9.0.0/24"] }] };
    for (const text of ['{"Router": false}', JSON.stringify(withRouter)])
      expect((await read(text, "json", { WIRELINK_CONFIG_PATH: "/etc" })).notes).toEqual([]);
  });

  it("may use anchors and aliases in YAML", async () => {
    const yaml = `Router: false
HideIfaces: &names [eth0]
ReportIfaces: *names
Peers:
  - &first {PublicKey: "${KEY_A}", AllowedIPs: [10.9.0.2/32]}
  - {<<: *first, PublicKey: "${KEY_B}", AllowedIPs: [10.9.0.3/32]}
`;
    const { reported, peers } = await read(yaml, "yaml");
    expect(reported).toEqual({ only: ["eth0"], hidden: ["eth0"] });
    expect(peers?.map(({ publicKey }) => formatKey(publicKey))).toEqual([KEY_A, KEY_B]);
  });

  it.each(["", "~", "---\n"])("may be empty: %j", async (text) => {
    expect(await read(text, "yaml")).toMatchObject({ interface: "wg0", peers: [] });
  });

  it.each([
    ["nonsense", "json", "INVALID_OPTION: it is not JSON"],
    ["[1]", "json", "INVALID_OPTION: "],
    ['"text"', "json", "names and values are expected"],
    ["a: b: c", "yaml", "it is not YAML"],
    ["nonsense", "toml", "it is not TOML"],
    ['{"Nonsense": 1}', "json", '"nonsense"'],
    ['{"Iface": "a", "iface": "b"}', "json", "iface is there twice"],
    [`{"Peers": [{"PublicKey": "x"}]}`, "json", "INVALID_KEY: peers.0.publickey: 44 characters"],
    [`{"Peers": [{"PublicKey": "${KEY_A}", "Trust": "AddPeer"}]}`, "json", "peers.0.trust: "],
    [`{"Peers": [{"PublicKey": "${KEY_A}", "Nonsense": 1}]}`, "json", '"nonsense"'],
    [`{"Peers": [{"PublicKey": "${KEY_A}", "Endpoints": ["x"]}]}`, "json", 'peers.0.endpoints "x"'],
    [`{"Peers": [{"PublicKey": "${KEY_A}", "AllowedIPs": ["x"]}]}`, "json", 'peers.0.allowedips "x"'],
    ['{"HideIfaces": ["wg[0-"]}', "json", "hideifaces.0: a pattern is expected"],
    [`${`{"a":`.repeat(20)}1${"}".repeat(20)}`, "json", "it is too deep"],
    // A bomb of aliases.
    [
      `a: &a [1,2]\nb: &b [${"*a,".repeat(20)}]\nc: [${"*b,".repeat(20)}]`,
      "yaml",
      "at most 100 values may come from aliases",
    ],
    ["a: *b", "yaml", "an alias (*name) needs its anchor (&name) above it"],
  ] as const)("is refused with the place: %s", async (text, language, reason) => {
    expect(await refusal(text, language)).toContain(reason);
  });

  it("is read, or refused with a code, whatever it holds", async () => {
    const value = fc.jsonValue({ maxDepth: 4 });
    const key = fc.constantFrom("Iface", "Peers", "Router", "HideIfaces", "__proto__", "constructor", "Port");
    await fc.assert(
      fc.asyncProperty(fc.dictionary(key, value), fc.boolean(), async (data, isYaml) => {
        const said = await refusal(isYaml ? stringify(data) : JSON.stringify(data), isYaml ? "yaml" : "json");
        expect(said).toMatch(/^(it is read|INVALID_OPTION: |INVALID_KEY: )/);
      }),
      { numRuns: 300 },
    );
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 80 }), async (text) => {
        expect(await refusal(text, "yaml")).toMatch(/^(it is read|INVALID_OPTION: |INVALID_KEY: )/);
      }),
      { numRuns: 300 },
    );
  });
});
