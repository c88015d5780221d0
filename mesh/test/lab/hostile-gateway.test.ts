import { expect, it } from "vitest";
import type { LongRunning } from "../../lab/index.js";
import type { MeshInfo, PortMappingInfo } from "../../src/info.js";
import { Daemon } from "../support/daemon.js";
import { memoryOf } from "../support/memory.js";
import { makeMembers } from "../support/mesh-lab.js";
import { withLab, withPortMapping } from "../support/needs.js";

const PROGRAM = new URL("../support/hostile-gateway.mjs", import.meta.url).pathname;
const GATEWAY = "192.168.1.1";
/** Of a daemon that is sent XML without end, MiB. */
const MAX_GROWTH = 16;

/** Starts it in a namespace. @returns it, and where its HTTP is */
async function lying(
  place: { spawn(argv: readonly string[]): LongRunning },
  config: { readonly address: string; readonly [option: string]: unknown },
): Promise<{ readonly process: LongRunning; readonly http: string }> {
  const process = place.spawn([globalThis.process.execPath, PROGRAM, JSON.stringify(config)]);
  const [, port] = await process.wrote(/^ready (\d+)$/m);
  return { process, http: `${config.address}:${port}` };
}

/** What came of asking the gateway, once that is known. */
async function settled(daemon: Daemon): Promise<MeshInfo & { readonly mapping: PortMappingInfo }> {
  await daemon.ready();
  for (;;) {
    const info = await daemon.status();
    const mapping = info.portMappings.find(({ family }) => family === 4);
    if (mapping?.error !== undefined || mapping?.protocol !== undefined) return { ...info, mapping };
  }
}

const isMapped = ({ candidates }: MeshInfo): boolean => candidates.some(({ kind }) => kind === "mapped");

withPortMapping("a neighbour on the LAN", (startLab) => {
  it("who answers in the gateway's place is not heard, though he is first", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "symmetric", portMapping: true } },
      hosts: { ha: { behind: "a" }, hs: { behind: "a" } },
      stun: true,
    });
    await lab.nat("a").restartPortMapping({ hasPcp: false });
    const { ha } = await makeMembers(lab, ["ha"]);
    if (ha === undefined) throw new Error("no member");
    const hs = lab.host("hs");
    const neighbour = await lying(hs, { address: hs.address(), outside: "6.6.6.6", isImpostor: true });
    const { mapping, candidates } = await settled(Daemon.start(lab, ha.host, ha.wireguard));
    await neighbour.process.wrote(new RegExp(`^searched by ${ha.host.address()}$`, "m"));
    expect(mapping).toMatchObject({ protocol: "upnp-igd", gateway: GATEWAY });
    expect(mapping.external).toMatch(/^11\.22\.33\./);
    expect(JSON.stringify(candidates)).not.toContain("6.6.6.6");
    expect(neighbour.process.log).not.toMatch(/^http/m);
  }, 60_000);
});

withLab("a gateway that lies", (startLab) => {
  it.each([
    ["names another host for its description", undefined],
    ["redirects to another host", "redirect"],
  ] as const)(
    "and %s is asked itself, and nobody else",
    async (_, http) => {
      await using lab = await startLab({
        nats: { a: { kind: "symmetric" } },
        hosts: { ha: { behind: "a" }, hs: { behind: "a" } },
        stun: true,
      });
      const { ha } = await makeMembers(lab, ["ha"]);
      if (ha === undefined) throw new Error("no member");
      const hs = lab.host("hs");
      // It would write down who asks it.
      const victim = await lying(hs, { address: hs.address(), isImpostor: true });
      const named = victim.http;
      const port = Number(named.split(":")[1]);
      const gateway = await lying(lab.nat("a").namespace, { address: GATEWAY, port, named, http });
      const info = await settled(Daemon.start(lab, ha.host, ha.wireguard));
      expect(info.mapping).toMatchObject({ error: expect.stringContaining("maps no ports") });
      expect(isMapped(info)).toBe(false);
      expect(victim.process.log).not.toMatch(/^http/m);
      expect(gateway.process.log).toContain(`http GET ${named} from ${ha.host.address()}`);
    },
    60_000,
  );

  it.each(["endless", "deep", "entities"])(
    "with %s XML costs the daemon nothing",
    async (http) => {
      await using lab = await startLab({
        nats: { a: { kind: "symmetric" } },
        hosts: { ha: { behind: "a" } },
        stun: true,
      });
      const { ha } = await makeMembers(lab, ["ha"]);
      if (ha === undefined) throw new Error("no member");
      const gateway = await lying(lab.nat("a").namespace, { address: GATEWAY, http });
      const daemon = Daemon.start(lab, ha.host, ha.wireguard);
      await daemon.ready();
      const before = memoryOf(daemon.process.pid);
      const info = await settled(daemon);
      // It is asked again after 5 s, and then after 10 s.
      await gateway.process.wrote(/(?:^http GET[\s\S]*?){3}/m, 40_000);
      await daemon.status();
      const grown = memoryOf(daemon.process.pid) - before;
      console.log(`${http}: grown by ${Math.round(grown)} MiB`);
      expect(grown).toBeLessThan(MAX_GROWTH);
      expect(info.mapping.error).toContain("maps no ports");
      expect(isMapped(info)).toBe(false);
    },
    90_000,
  );

  it("about its address outside has nothing told to peers, unless somebody could be there", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "symmetric" } },
      hosts: { ha: { behind: "a" } },
      stun: true,
    });
    const { ha } = await makeMembers(lab, ["ha"]);
    if (ha === undefined) throw new Error("no member");
    const said = [
      "0.0.0.0",
      "127.0.0.1",
      "192.168.1.7",
      "10.9.0.2",
      "169.254.1.1",
      "224.0.0.1",
      "11.22.33.9",
    ];
    const told: string[] = [];
    for (const outside of said) {
      const gateway = await lying(lab.nat("a").namespace, { address: GATEWAY, outside });
      const daemon = Daemon.start(lab, ha.host, ha.wireguard);
      const info = await settled(daemon);
      expect(info.mapping).toMatchObject({ protocol: "pcp" });
      if (isMapped(info)) told.push(outside);
      await daemon.stop();
      await gateway.process.kill();
    }
    // The last one could be its own: peers try it, within the limits for what anybody names.
    expect(told).toEqual(["11.22.33.9"]);
  }, 90_000);
});
