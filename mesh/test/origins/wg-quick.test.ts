import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Settings } from "../../src/config/settings.js";
import { formatEndpoint } from "../../src/ip/endpoint.js";
import { formatPrefix } from "../../src/ip/prefix.js";
import { parseWgQuick } from "../../src/origins/wg-quick.js";
import { formatKey } from "../../src/wireguard-key.js";
import { KEY_A, KEY_B } from "../support/fake-mesh.js";

const PRIVATE = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
const PRESHARED = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=";

/** As wg-quick's manual has it, and as people write it. */
const CONF = `# made by hand
[Interface]
Address = 10.200.100.8/24, fd00::8/64
Address = 10.201.0.1
DNS = 10.200.100.1
PrivateKey = ${PRIVATE}
ListenPort = 51820
MTU = 1400
PostUp = iptables -A FORWARD -i %i -j ACCEPT; echo '%i is up'
postdown = iptables -D FORWARD -i %i -j ACCEPT
SaveConfig = false

[Peer] # the office
PublicKey = ${KEY_A}
PresharedKey = ${PRESHARED}
AllowedIPs = 10.192.122.3/32, 10.192.124.0/24
AllowedIPs = fd00::9
Endpoint = office.example:51820
PersistentKeepalive = 25

[peer]
publickey=${KEY_B}
Endpoint = [2001:db8::1]:1234
`;

const lookUp = async (host: string): Promise<readonly string[]> =>
  host === "office.example" ? ["192.0.2.9", "2001:db8::9"] : [];

const read = async (text: string, name = "wg0"): Promise<Settings> => await parseWgQuick(text, name, lookUp);

/** What a text is refused with. */
async function refusal(text: string, name?: string): Promise<string> {
  return await read(text, name).then(
    () => "it is read",
    (error: unknown) => `${(error as { code?: string }).code}: ${(error as Error).message}`,
  );
}

const INTERFACE = `[Interface]\nPrivateKey = ${PRIVATE}\n`;

describe("a file of wg-quick", () => {
  it("becomes an interface that is made", async () => {
    const { interface: name, create, hooks, notes } = await read(CONF);
    expect(name).toBe("wg0");
    expect(create && formatKey(create.privateKey)).toBe(PRIVATE);
    expect(create).toMatchObject({ listenPort: 51_820, mtu: 1400 });
    expect(create?.addresses.map(({ address, prefix }) => `${address}/${prefix.bits}`)).toEqual([
      "10.200.100.8/24",
      "fd00::8/64",
      "10.201.0.1/32",
    ]);
    const [office, other] = create?.peers ?? [];
    expect(office && formatKey(office.publicKey)).toBe(KEY_A);
    expect(office?.presharedKey && formatKey(office.presharedKey)).toBe(PRESHARED);
    expect(office?.allowedIps.map(formatPrefix)).toEqual([
      "10.192.122.3/32",
      "10.192.124.0/24",
      "fd00::9/128",
    ]);
    expect(office?.endpoint && formatEndpoint(office.endpoint)).toBe("192.0.2.9:51820");
    expect(other?.endpoint && formatEndpoint(other.endpoint)).toBe("[2001:db8::1]:1234");
    expect(other?.presharedKey).toBeUndefined();
    expect(hooks).toEqual({
      preUp: undefined,
      postUp: [["bash", "-c", "iptables -A FORWARD -i wg0 -j ACCEPT; echo 'wg0 is up'"]],
      preDown: undefined,
      postDown: [["bash", "-c", "iptables -D FORWARD -i wg0 -j ACCEPT"]],
    });
    expect(notes).toEqual([
      expect.stringMatching(/^line 5: DNS: /),
      expect.stringMatching(/^line 11: SaveConfig: /),
    ]);
  });

  it("is read with any ends of lines, and with a name that cannot be looked up", async () => {
    const { create, notes } = await read(
      `${INTERFACE}[Peer]\nPublicKey = ${KEY_A}\nEndpoint = gone.example:1\n`.replaceAll("\n", "\r\n"),
    );
    expect(create?.peers).toHaveLength(1);
    expect(create?.peers[0]?.endpoint).toBeUndefined();
    expect(create?.listenPort).toBeUndefined();
    expect(notes).toEqual(["line 5: Endpoint: gone.example cannot be looked up now"]);
  });

  it.each([
    ["", "INVALID_OPTION: it has no [Interface]"],
    [`[Peer]\nPublicKey = ${KEY_A}`, "it has no [Interface]"],
    ["[Interface]\nListenPort = 1", "line 1: PrivateKey is missing in this section"],
    [`${INTERFACE}[Interface]`, "line 3: there is one [Interface] already"],
    ["PrivateKey = x", "line 1: PrivateKey stands before [Interface]"],
    ["[Interface]\nPrivateKey = nonsense", "INVALID_KEY: line 2: PrivateKey: 44 characters"],
    [`${INTERFACE}nonsense`, "line 3: [Interface], [Peer] or NAME = VALUE is expected"],
    [`${INTERFACE}[Nonsense]`, "line 3: [Interface], [Peer] or NAME = VALUE is expected"],
    [`${INTERFACE}Nonsense = 1`, "line 3: Nonsense is not known in [Interface]"],
    [`${INTERFACE}AllowedIPs = 10.0.0.0/8`, "line 3: AllowedIPs is not known in [Interface]"],
    [`${INTERFACE}ListenPort = 65536`, "line 3: ListenPort: a whole number from 0 to 65535"],
    [`${INTERFACE}MTU = 500`, "line 3: MTU: a whole number from 1280"],
    [`${INTERFACE}MTU = 1400\nMTU = 1400`, "line 4: MTU is there twice in this [Interface]"],
    [`${INTERFACE}Address = 10.0.0.300/8`, 'line 3: Address "10.0.0.300/8"'],
    [`${INTERFACE}Table = off`, "line 3: Table = off: other tables of routes are for wg-quick"],
    [`${INTERFACE}[Peer]\nAllowedIPs = 10.0.0.1`, "line 3: PublicKey is missing in this section"],
    [`${INTERFACE}[Peer]\nPublicKey = ${KEY_A}\nAllowedIPs = 0.0.0.0/0`, "line 5: AllowedIPs"],
    [
      `${INTERFACE}[Peer]\nPublicKey = ${KEY_A}\nAllowedIPs = 10.0.0.0/40`,
      'line 5: AllowedIPs "10.0.0.0/40"',
    ],
    [`${INTERFACE}[Peer]\nPublicKey = ${KEY_A}\nEndpoint = office.example`, "line 5: Endpoint"],
    [`${INTERFACE}[Peer]\nPublicKey = ${KEY_A}\nPersistentKeepalive = often`, "line 5: PersistentKeepalive"],
    [`${INTERFACE}${"x".repeat(70_000)} = 1`, "line 3: it has more than 65536 characters"],
  ])("is refused with its line: %s", async (text, reason) => {
    expect(await refusal(text)).toContain(reason);
  });

  it("without PrivateKey: says to let wg-quick make the interface, whose PostUp may set it", async () => {
    const said = await refusal("[Interface]\nPostUp = wg set %i private-key /etc/wireguard/%i.key\n", "home");
    expect(said).toMatch(
      /^INVALID_OPTION: line 1: PrivateKey is missing in this section\. If PostUp sets it/,
    );
    expect(said).toContain("`wg-quick up home`, and `sidewire-mesh up home` without --config");
  });

  it("says where another keepalive is written than there is here", async () => {
    const peer = (key: string, seconds: string): string =>
      `[Peer]\nPublicKey = ${key}\nPersistentKeepalive = ${seconds}\n`;
    expect((await read(`${INTERFACE}${peer(KEY_A, "25")}`)).notes).toEqual([]);
    expect((await read(`${INTERFACE}${peer(KEY_A, "25")}${peer(KEY_B, "off")}`)).notes).toEqual([
      "line 8: PersistentKeepalive: it is 25 s here for each peer, once there is a path",
    ]);
    expect((await read(`${INTERFACE}${peer(KEY_A, "60")}${peer(KEY_B, "10")}`)).notes).toEqual([
      expect.stringMatching(/^line 5: .*; the same for 1 more$/),
    ]);
  });

  it("shows no key in what it says", async () => {
    expect(await refusal(`[Interface]\nPrivateKey = ${PRIVATE.slice(1)}`)).not.toContain(
      PRIVATE.slice(5, 20),
    );
    expect(await refusal(`[Interface]\n${PRIVATE}`)).not.toContain(PRIVATE.slice(5, 20));
  });

  it("takes no name of an interface that a shell would understand as something else", async () => {
    expect(await refusal(`${INTERFACE}PostUp = echo %i`, "x;reboot")).toContain(
      "INVALID_OPTION: interface: a name",
    );
  });

  it("is read, or refused with a code, whatever it holds", async () => {
    const line = fc.oneof(
      fc.constantFrom("[Interface]", "[Peer]", `PrivateKey = ${PRIVATE}`, `PublicKey = ${KEY_A}`, "# x"),
      fc.constantFrom(
        "Address = ",
        "Address = 10.0.0.1/24,",
        "Endpoint = a:1",
        "AllowedIPs = ::/0",
        "Table=1",
      ),
      fc.string({ unit: "binary", maxLength: 40 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 12 }), async (lines) => {
        const said = await refusal(lines.join("\n"));
        expect(said).toMatch(/^(it is read|INVALID_OPTION: |INVALID_KEY: )/);
      }),
      { numRuns: 300 },
    );
  });
});
