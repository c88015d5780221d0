import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ControlServer } from "../../src/control/server.js";
import { objects, run } from "../support/command.js";
import { FakeMesh, KEY_A, OWN_KEY } from "../support/fake-mesh.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** A key as a multiaddr has it. */
const wg = (key: string): string => `u${Buffer.from(key, "base64").toString("base64url")}`;

async function daemon(): Promise<NodeJS.ProcessEnv> {
  const folder = join(temporaryFolder(), "run");
  const control = await ControlServer.open({
    path: join(folder, "lo.sock"),
    mesh: new FakeMesh(),
    onDown: () => {},
  });
  onTestFinished(() => control.close([]));
  return { RUNTIME_DIRECTORY: folder };
}

describe("multiaddr show", () => {
  it("has a line for each place where the host may be reached", async () => {
    const env = await daemon();
    const text = await run(["multiaddr", "show", "--overlay", "/ip4/10.9.0.1/tcp/80"], { env });
    expect([text.code, text.err]).toEqual([0, ""]);
    expect(text.out.split("\n")).toEqual([
      `/ip4/192.168.1.5/udp/51820/wg/${wg(OWN_KEY)}/ip4/10.9.0.1/tcp/80`,
      `/ip4/198.51.100.7/udp/51820/wg/${wg(OWN_KEY)}/ip4/10.9.0.1/tcp/80`,
      "",
    ]);
    const json = await run(["multiaddr", "show", "lo", "--json"], { env });
    expect(objects(json.out)).toMatchObject([{ interface: "lo", publicKey: OWN_KEY }]);
  });

  it("converts a key in both directions, and needs no daemon for it", async () => {
    expect((await run(["multiaddr", "show", "--key", KEY_A])).out).toBe(`${wg(KEY_A)}\n`);
    expect((await run(["multiaddr", "show", "--key", wg(KEY_A)])).out).toBe(`${KEY_A}\n`);
    const wrong = await run(["multiaddr", "show", "--key", "nonsense", "--json"]);
    expect([wrong.code, objects(wrong.err)]).toMatchObject([2, [{ code: "INVALID_KEY" }]]);
  });
});

describe("multiaddr parse", () => {
  const address = `/ip4/192.0.2.1/udp/51820/wg/${wg(KEY_A)}/ip4/10.9.0.2/tcp/80`;

  it("says what is in it", async () => {
    const text = await run(["multiaddr", "parse", address]);
    expect(text.code).toBe(0);
    expect(text.out).toContain(`key         ${KEY_A}\n`);
    expect(text.out).toContain("endpoint    192.0.2.1:51820\n");
    const json = await run(["multiaddr", "parse", address, "--json"]);
    expect(objects(json.out)).toMatchObject([
      { bearer: "/ip4/192.0.2.1/udp/51820", publicKey: KEY_A, overlay: "/ip4/10.9.0.2/tcp/80" },
    ]);
  });

  it("refuses what is none, in one line", async () => {
    const { code, out, err } = await run(["multiaddr", "parse", `${address}/`]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(/^sidewire-mesh: multiaddr: a part of it is empty[^\n]*\n$/);
  });
});

describe("multiaddr verify", () => {
  it("knows the host itself, its peers, and nobody else", async () => {
    const env = await daemon();
    const verify = async (
      key: string,
      rest = "",
    ): Promise<{ code: number | null; out: string; err: string }> =>
      await run(["multiaddr", "verify", `/ip4/192.0.2.1/udp/51820/wg/${wg(key)}${rest}`], { env });
    expect(await verify(OWN_KEY)).toMatchObject({ code: 0, out: `${OWN_KEY} is this host, on lo\n` });
    expect(await verify(KEY_A)).toMatchObject({
      code: 0,
      out: expect.stringContaining("at 203.0.113.9:51820"),
    });
    const stranger = await verify(Buffer.alloc(32, 7).toString("base64"));
    expect(stranger).toMatchObject({ code: 1, out: expect.stringContaining("neither this host nor a peer") });
    // WireGuard would not send there.
    expect((await verify(KEY_A, "/ip4/10.9.0.2/tcp/80")).err).toBe("");
    expect((await verify(KEY_A, "/ip4/10.9.0.3/tcp/80")).err).toContain("not among the allowed IPs");
  });

  it("says that there is no daemon", async () => {
    const env = { RUNTIME_DIRECTORY: join(temporaryFolder(), "none") };
    const { code, err } = await run(["multiaddr", "verify", `/wg/${wg(KEY_A)}`, "--json"], { env });
    expect([code, objects(err)]).toMatchObject([1, [{ code: "NO_DAEMON" }]]);
  });
});
