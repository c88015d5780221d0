import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { doctor } from "../../src/cli/doctor.js";
import type { Machine } from "../../src/cli/machine.js";
import { formatEndpoint } from "../../src/ip/endpoint.js";
import { objects, run } from "../support/command.js";
import { FakeTerminal } from "../support/fake-terminal.js";
import { CREDENTIALS, FakeTurnServer } from "../support/fake-turn-server.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** A machine that lacks nothing, but for what a test takes away. */
interface Fake {
  programs?: readonly string[];
  files?: Readonly<Record<string, string>>;
  /** What a program says, by its name; with a code where it fails. */
  says?: Readonly<Record<string, string | { code: number; said: string }>>;
  opens?: Readonly<Record<string, string>>;
}

const ALL = ["wg", "ip", "nft", "wireguard-go", "nmcli"];

function machine({ programs = ALL, files = {}, says = {}, opens = {} }: Fake): Machine {
  const there: Readonly<Record<string, string>> = {
    "/proc/self/status": "Name:\tnode\nCapEff:\t0000000000001000\n",
    "/sys/class/net/wg0/ifindex": "7\n",
    ...files,
  };
  return {
    find: async (program) => (programs.includes(program) ? `/usr/bin/${program}` : undefined),
    run: async (program, args) => {
      if (!programs.includes(program)) return { code: undefined, said: "it is not installed" };
      const said =
        says[program] ?? (args.includes("dump") ? "KEY\tPUB\t51820\toff\nPEER\t…" : `${program} v1`);
      return typeof said === "string" ? { code: 0, said } : said;
    },
    read: async (path) => there[path],
    tryOpen: async (path) => opens[path],
  };
}

async function look(
  fake: Fake,
  name: string | undefined = "wg0",
): Promise<{
  code: number;
  findings: Record<string, Record<string, unknown>>;
  out: string;
}> {
  const terminal = new FakeTerminal();
  // Nobody answers at this port: the clock is not what is looked at here.
  const code = await doctor(terminal.context({ json: true }), name, { ntp: ["127.0.0.1:9"] }, machine(fake));
  const found = objects(terminal.out);
  return {
    code,
    out: terminal.out,
    findings: Object.fromEntries(found.map((one) => [String(one.check), one])),
  };
}

describe("doctor", () => {
  it("finds nothing bad on a machine that has all", async () => {
    const { code, findings } = await look({});
    expect(code).toBe(0);
    expect(Object.keys(findings)).toEqual([
      "wg",
      "ip",
      "nft",
      "rights",
      "wireguard",
      "names",
      "clock",
      "wg0",
    ]);
    for (const { check, level } of Object.values(findings))
      expect([check, level]).toEqual([check, check === "clock" ? "warning" : "ok"]);
    expect(findings.wg0?.message).toBe("port 51820, 1 peer");
  });

  const tun = "/dev/net/tun";
  it.each<[string, Fake, string, string, string]>([
    [
      "wg missing",
      { programs: ["ip", "nft", "wireguard-go"] },
      "wg",
      "wg is not installed",
      "install the package wireguard-tools",
    ],
    [
      "ip missing",
      { programs: ["wg", "nft", "wireguard-go"] },
      "ip",
      "ip is not installed",
      "install the package iproute2",
    ],
    [
      "nft missing",
      { programs: ["wg", "ip", "wireguard-go"] },
      "nft",
      "nft is not installed",
      "install the package nftables",
    ],
    [
      "no right to make a table",
      { says: { nft: { code: 1, said: "Error: Could not process rule: Operation not permitted" } } },
      "nft",
      "nft may not make a table",
      "sudo",
    ],
    [
      "a kernel without nft",
      { says: { nft: { code: 1, said: "Error: Could not process rule: No such file or directory" } } },
      "nft",
      "nft cannot make a table",
      "modprobe nf_tables",
    ],
    [
      "no capability",
      { files: { "/proc/self/status": "CapEff:\t0000000000000000\n" } },
      "rights",
      "CAP_NET_ADMIN is missing",
      "sudo",
    ],
    [
      "no WireGuard at all",
      { programs: ["wg", "ip", "nft"] },
      "wireguard",
      "the kernel has no WireGuard",
      "install the package wireguard-go",
    ],
    ["no tun", { opens: { [tun]: "ENOENT" } }, "wireguard", "which is not there", "modprobe tun"],
    [
      "no right to tun",
      { opens: { [tun]: "EACCES" } },
      "wireguard",
      "which cannot be opened (EACCES)",
      "sudo",
    ],
    [
      "no interface",
      { says: { wg: { code: 1, said: "Unable to access interface: No such device" } } },
      "wg0",
      "there is no WireGuard interface wg0",
      "wg-quick up wg0",
    ],
    [
      "no right to look at it",
      { says: { wg: { code: 1, said: "Unable to access interface: Operation not permitted" } } },
      "wg0",
      "wg may not look at wg0",
      "sudo",
    ],
    [
      "no key",
      { says: { wg: "(none)\t(none)\t51820\toff" } },
      "wg0",
      "wg0 has no private key",
      "wg set wg0 private-key",
    ],
    ["no port", { says: { wg: "KEY\tPUB\t0\toff" } }, "wg0", "wg0 has no port", "ip link set wg0 up"],
  ])("says what to do about %s", async (_, fake, check, message, advice) => {
    const { code, findings } = await look(fake);
    expect(findings[check]).toMatchObject({
      level: "bad",
      message: expect.stringContaining(message),
      advice: expect.stringContaining(advice),
    });
    expect(code).toBe(1);
  });

  it.each<[string, Fake, string, string]>([
    ["no peers", { says: { wg: "KEY\tPUB\t51820\toff" } }, "wg0", "wg0 has no peers"],
    [
      "networkd",
      { files: { "/run/systemd/netif/links/7": "ADMIN_STATE=configured\n" } },
      "networkd",
      "systemd-networkd manages wg0 too",
    ],
    [
      "NetworkManager",
      { says: { nmcli: "100 (connected)" } },
      "NetworkManager",
      "NetworkManager manages wg0 too",
    ],
  ])("warns of %s", async (_, fake, check, message) => {
    const { code, findings } = await look(fake);
    expect(findings[check]).toMatchObject({ level: "warning", message: expect.stringContaining(message) });
    expect(code).toBe(0);
  });

  it.each([
    ["unmanaged", { files: { "/run/systemd/netif/links/7": "ADMIN_STATE=unmanaged\n" } }],
    ["only watched", { says: { nmcli: "100 (connected (externally))" } }],
    ["let go", { says: { nmcli: "10 (unmanaged)" } }],
  ])("leaves alone an interface that is %s", async (_, fake) => {
    const { findings } = await look(fake);
    expect(Object.keys(findings)).not.toContain("networkd");
    expect(Object.keys(findings)).not.toContain("NetworkManager");
  });

  it("tells of each TURN server whether it lends an address, and why not", async () => {
    const fine = await FakeTurnServer.start();
    const strict = await FakeTurnServer.start({ isStrict: true });
    const credentials = join(temporaryFolder(), "credentials");
    writeFileSync(credentials, `${CREDENTIALS.username}\n${CREDENTIALS.password}\n`, { mode: 0o600 });
    const turn = [fine, strict].map(({ endpoint }) => `turn:${formatEndpoint(endpoint)}`);
    const tried = async (way: string): Promise<{ code: number; found: object[] }> => {
      const terminal = new FakeTerminal();
      const fake = machine({ says: { ip: `[{"dst":"127.0.0.1","dev":"${way}","prefsrc":"127.0.0.1"}]` } });
      const options = { ntp: ["127.0.0.1:9"], turn, turnCredentials: credentials };
      const code = await doctor(terminal.context({ json: true }), "wg0", options, fake);
      return { code, found: objects(terminal.out).filter(({ check }) => check === "TURN") };
    };
    const { code, found } = await tried("lo");
    expect(code).toBe(1);
    expect(found).toMatchObject([
      { level: "ok", message: expect.stringMatching(/ lends an address \(192\.0\.2\.1:50000\), in /) },
      {
        level: "bad",
        message: expect.stringContaining("it does not take the username and the password"),
        advice: expect.stringContaining("UDP gets to the server's port"),
      },
    ]);
    // It is given back.
    expect(fine.asked).toEqual(["Allocate", "Allocate", "free"]);
    const inside = await tried("wg0");
    expect(inside.found).toMatchObject([
      { level: "bad", message: expect.stringContaining("leads through the tunnel") },
      { level: "bad" },
    ]);
    expect(fine.asked).toHaveLength(3);
  });

  it("refuses a TURN server that is none, and a password that others may read", async () => {
    const wrong = await run(["doctor", "--turn", "turns:turn.example.org"]);
    expect([wrong.code, wrong.out]).toEqual([2, ""]);
    expect(wrong.err).toContain("turns:");
    const open = join(temporaryFolder(), "credentials");
    writeFileSync(open, "ann\npassword\n", { mode: 0o644 });
    const readable = await run(["doctor", "--turn", "turn:127.0.0.1", "--turn-credentials", open]);
    expect(readable.err).toContain("chmod 600");
    expect(readable.code).not.toBe(0);
  });

  it("looks at this machine, whatever it is", async () => {
    const { code, out, err } = await run(["doctor", "--ntp", "127.0.0.1:9"]);
    expect([0, 1]).toContain(code);
    expect(err).toBe("");
    expect(out).toMatch(/^[✓!✗] wg/);
    expect(out).toMatch(/^! clock: no time server answers/m);
  });
});
