import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import inspector from "node:inspector";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { up } from "../../src/cli/up.js";
import type { UpOptions } from "../../src/cli/up-settings.js";
import { ControlServer } from "../../src/control/server.js";
import { MeshError } from "../../src/errors.js";
import type { MeshOptions } from "../../src/mesh-options.js";
import { objects, run, start } from "../support/command.js";
import { directPeer, FakeMesh, KEY_A, KEY_B, someInfo, unmetPeer } from "../support/fake-mesh.js";
import { FakeTerminal } from "../support/fake-terminal.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** A daemon with a fake mesh, in this process, and where commands find it. */
async function daemon(): Promise<{
  mesh: FakeMesh;
  control: ControlServer;
  env: NodeJS.ProcessEnv;
  down: Promise<void>;
}> {
  const folder = join(temporaryFolder(), "run");
  const mesh = new FakeMesh();
  let onDown = (): void => {};
  const down = new Promise<void>((resolve) => {
    onDown = resolve;
  });
  const control = await ControlServer.open({ path: join(folder, "lo.sock"), mesh, onDown });
  onTestFinished(() => control.close([]));
  return { mesh, control, env: { RUNTIME_DIRECTORY: folder }, down };
}

describe("metrics", () => {
  it("are printed as text, and as status in JSON", async () => {
    const { env } = await daemon();
    const text = await run(["metrics"], { env });
    expect(text.code).toBe(0);
    expect(text.out).toContain('\nsidewire_mesh_peers{interface="lo",state="direct"} 1\n');
    expect(text.out).toMatch(/[^\n]\n$/);
    const json = await run(["metrics", "lo", "--json"], { env });
    expect(JSON.parse(json.out)).toMatchObject({ interface: "lo" });
  });
});

describe("status", () => {
  it("shows a table, or an object", async () => {
    const { env, mesh } = await daemon();
    const text = await run(["status"], { env });
    expect([text.code, text.err]).toEqual([0, ""]);
    expect(text.out).toMatch(/^xTIBA5rb…\s+direct\s+direct NAT\s+203\.0\.113\.9:51820\s+12 ms/m);
    const json = await run(["status", "lo", "--json"], { env });
    expect(objects(json.out)).toEqual(JSON.parse(`[${JSON.stringify(mesh.now)}]`));
  });

  it("--watch tells each change until the daemon ends", async () => {
    const { env, mesh, control } = await daemon();
    const watching = start(["status", "--watch", "--json"], { env });
    await watching.until(({ out }) => out.includes('"nat":"stable"'));
    mesh.change(someInfo({ nat: "blocked" }));
    await watching.until(({ out }) => out.includes('"nat":"blocked"'));
    await control.close([]);
    expect((await watching.ended).code).toBe(0);
  });

  it("--watch ends with Ctrl-C", async () => {
    const { env } = await daemon();
    const watching = start(["status", "--watch"], { env });
    await watching.until(({ out }) => out.includes("brokers"));
    expect(await watching.stop()).toMatchObject({ code: 0, err: "" });
  });
});

describe("ping", () => {
  it("shows each path, as often as is asked", async () => {
    const { env, mesh } = await daemon();
    const { code, out } = await run(["ping", "xTIB", "-c", "2"], { env });
    expect(code).toBe(0);
    const round = [
      "xTIBA5rb…  direct NAT   203.0.113.9:51820      12 ms  in use",
      "xTIBA5rb…  direct IPv6  [2001:db8::9]:51820    no answer",
    ];
    expect(out.trimEnd().split("\n")).toEqual([...round, ...round]);
    expect(mesh.pinged).toEqual([KEY_A, KEY_A]);
  });

  it("fails when no path has answered", async () => {
    const { env, mesh } = await daemon();
    mesh.answers = [];
    const { code, out } = await run(["ping", "TrMv", "-c", "1"], { env });
    expect([code, out]).toEqual([1, "TrMvSoP4…  no path to try: its candidates are not known yet\n"]);
  });

  it("says that there is no such peer", async () => {
    const { env } = await daemon();
    const { code, out, err } = await run(["ping", "\u001bx"], { env });
    expect([code, out]).toEqual([2, ""]);
    expect(err).toBe(
      "sidewire-mesh: no peer of lo has the key or name \\u{1b}x: sidewire-mesh status shows them\n",
    );
  });
});

describe("down", () => {
  it("waits for the end, and says what was put back", async () => {
    const { env, control, down } = await daemon();
    const asking = start(["down", "lo"], { env });
    await down;
    await control.close(["the endpoint of one peer", "the nft table sidewire_mesh_lo"]);
    expect(await asking.ended).toMatchObject({
      code: 0,
      out: "lo is left as it was:\n  the endpoint of one peer\n  the nft table sidewire_mesh_lo\n",
      err: "",
    });
  });
});

/** `up` with a fake mesh, in this process. */
function starting(
  options: UpOptions = {},
  more: { json?: boolean; columns?: number; env?: NodeJS.ProcessEnv } = {},
): {
  terminal: FakeTerminal;
  mesh: FakeMesh;
  opened: MeshOptions[];
  path: string;
  ended: Promise<number>;
} {
  const folder = join(temporaryFolder(), "run");
  const terminal = new FakeTerminal();
  const mesh = new FakeMesh();
  const opened: MeshOptions[] = [];
  const context = terminal.context({ ...more, env: { RUNTIME_DIRECTORY: folder, ...more.env } });
  const ended = up(context, "lo", options, async (meshOptions) => {
    opened.push(meshOptions);
    return mesh;
  });
  return { terminal, mesh, opened, path: join(folder, "lo.sock"), ended };
}

describe("up", () => {
  it("tells what happens, a line each, and nothing twice", async () => {
    const { terminal, mesh, ended } = starting();
    await terminal.until(() => terminal.out.includes("reachable"));
    expect(terminal.err).toBe(
      `lo is looked after: 2 peers, port 51820, key ${mesh.now.publicKey}. Ctrl-C ends it.\n`,
    );
    const met = unmetPeer({
      state: "direct",
      path: { kind: "lan", endpoint: "192.168.1.9:51820", roundTripMs: 0.42, since: 0 },
    });
    mesh.change(someInfo({ peers: [directPeer(), met] }));
    mesh.change(someInfo({ peers: [directPeer(), met] }));
    mesh.emit("step", { step: "heard", publicKey: KEY_B });
    mesh.emit("warning", "the clock\u001b is wrong");
    mesh.putBack = ["the table of nft is removed"];
    await terminal.until(() => terminal.err.includes("wrong"));
    terminal.interrupt();
    expect(await ended).toBe(0);
    const lines = terminal.out.trimEnd().split("\n");
    expect(lines.map((line) => line.replace(/^\d\d:\d\d:\d\d {2}/, ""))).toEqual([
      "xTIBA5rb…  direct   direct NAT  203.0.113.9:51820  12 ms",
      "TrMvSoP4…  unmet    it has not been met: nothing was heard of it yet",
      "reachable at 192.168.1.5:51820 (host), 198.51.100.7:51820 (reflexive)",
      "TrMvSoP4…  direct   direct LAN  192.168.1.9:51820  0.4 ms",
      "lo is left as it was:",
      "  the table of nft is removed",
    ]);
    expect(terminal.err).toContain("! the clock\\u{1b} is wrong\n");
    expect(mesh.closed).toBeGreaterThan(0);
  });

  it("--json has an object a line, with the peers' names of the configuration", async () => {
    const folder = temporaryFolder();
    const config = join(folder, "mesh.json");
    writeFileSync(
      config,
      JSON.stringify({
        peers: [{ publicKey: KEY_B, name: "ben" }],
        stun: ["stun.example:3478"],
        stateFolder: "s",
      }),
    );
    const { terminal, mesh, opened, ended } = starting({ config }, { json: true });
    await terminal.until(() => terminal.out.includes("candidates"));
    mesh.emit("step", { step: "heard", publicKey: KEY_B });
    terminal.interrupt();
    expect(await ended).toBe(0);
    expect(terminal.err).toBe("");
    expect(objects(terminal.out)).toMatchObject([
      { event: "ready", interface: "lo", listenPort: 51820, peers: 2 },
      { event: "peer", publicKey: KEY_A, state: "direct", path: { kind: "nat" } },
      { event: "peer", publicKey: KEY_B, name: "ben", state: "unmet" },
      { event: "candidates", nat: "stable" },
      { event: "step", time: expect.any(Number), step: "heard", publicKey: KEY_B },
      { event: "ended", interface: "lo", putBack: [] },
    ]);
    expect(opened).toMatchObject([
      { interface: "lo", stun: ["stun.example:3478"], stateFolder: join(folder, "s") },
    ]);
  });

  it("reads its configuration again on SIGHUP, without a start", async () => {
    const folder = temporaryFolder();
    const config = join(folder, "mesh.json");
    const write = (more: object): void =>
      writeFileSync(config, JSON.stringify({ addPeers: true, stateFolder: "s", ...more }));
    const peer = (publicKey: string, name: string): object => ({
      publicKey,
      name,
      allowedIps: ["10.9.0.2/32"],
    });
    write({ peers: [peer(KEY_A, "ann")], stun: ["stun.example:3478"] });
    const { terminal, mesh, ended } = starting({ config }, { json: true });
    await terminal.until(() => terminal.out.includes("candidates"));
    write({ peers: [{ ...peer(KEY_B, "ben"), trust: "Untrusted" }], stun: [], hooks: { exec: [["true"]] } });
    process.kill(process.pid, "SIGHUP");
    await terminal.until(() => terminal.out.includes("reloaded"));
    expect(objects(terminal.err)).toEqual([
      { warning: "stun: changed, and takes effect when the daemon is started again" },
    ]);
    expect(objects(terminal.out).at(-1)).toEqual({
      ...{ event: "reloaded", time: expect.any(Number), interface: "lo" },
      ...{ peers: 1, added: [KEY_B], removed: [KEY_A], waiting: ["stun"] },
    });
    expect(mesh.configured).toMatchObject([{ peers: [{ allowedIps: [{ bits: 32 }] }] }]);
    expect([...(mesh.configured[0]?.trust ?? [])]).toEqual([[KEY_B, "Untrusted"]]);
    mesh.change(someInfo({ peers: [unmetPeer({ state: "lost" })] }));
    expect(objects(terminal.out).at(-1)).toMatchObject({ publicKey: KEY_B, name: "ben", state: "lost" });
    // Nothing is used of a file that is wrong.
    writeFileSync(config, '{"peers": [');
    process.kill(process.pid, "SIGHUP");
    await terminal.until(() => terminal.err.includes("cannot reload"));
    expect(objects(terminal.err).at(-1)).toMatchObject({
      warning: expect.stringMatching(/^cannot reload, and the settings stay as they are: .*it is not JSON/),
    });
    expect(mesh.configured).toHaveLength(1);
    terminal.interrupt();
    expect(await ended).toBe(0);
    expect(process.listenerCount("SIGHUP")).toBe(0);
  });

  it("says once what of its configuration has no effect, however often it is read again", async () => {
    const config = join(temporaryFolder(), "wgautomesh.toml");
    writeFileSync(config, 'interface = "lo"\ngossip_port = 1\ngossip_secret = "x"\n');
    const { terminal, ended } = starting({ config }, { json: true });
    await terminal.until(() => terminal.out.includes("candidates"));
    process.kill(process.pid, "SIGHUP");
    await terminal.until(() => terminal.out.includes("reloaded"));
    terminal.interrupt();
    expect(await ended).toBe(0);
    expect(terminal.err.match(/gossip_secret has no use any more/g)).toHaveLength(1);
  });

  it("--router and --chatty take precedence over the file", async () => {
    const config = join(temporaryFolder(), "mesh.json");
    writeFileSync(config, '{"router": false, "chatty": false}');
    const { terminal, opened, ended } = starting({ config, router: true, chatty: true });
    await terminal.until(() => terminal.out.includes("reachable"));
    terminal.interrupt();
    expect(await ended).toBe(0);
    expect(opened).toMatchObject([{ router: true, chatty: true }]);
  });

  it("prints its state on SIGUSR1, and lets no debugger in", async () => {
    const { terminal, ended } = starting();
    await terminal.until(() => terminal.out.includes("reachable"));
    process.kill(process.pid, "SIGUSR1");
    await terminal.until(() => terminal.out.includes("brokers"));
    expect(inspector.url()).toBeUndefined();
    terminal.interrupt();
    expect(await ended).toBe(0);
    expect(process.listenerCount("SIGUSR1")).toBe(0);
  });

  it("is asked by the other commands, and ended by one of them", async () => {
    const { path, terminal, mesh, ended } = starting();
    await terminal.until(() => terminal.out.includes("reachable"));
    const env = { RUNTIME_DIRECTORY: join(path, "..") };
    expect((await run(["status"], { env })).out).toContain("xTIBA5rb…  direct");
    const { code, out } = await run(["down", "lo"], { env });
    expect([code, out]).toEqual([0, "lo is left as it was.\n"]);
    expect(await ended).toBe(0);
    expect(mesh.closed).toBeGreaterThan(0);
    expect(existsSync(path)).toBe(false);
  });

  it("ends when the interface is gone, and says so to whoever waits", async () => {
    const { terminal, mesh, ended } = starting();
    await terminal.until(() => terminal.out.includes("reachable"));
    mesh.emit("gone", new MeshError("NO_INTERFACE", "there is no interface lo"));
    await expect(ended).rejects.toMatchObject({ code: "NO_INTERFACE" });
    expect(mesh.closed).toBeGreaterThan(0);
  });

  it("says what could not be put back, also to whoever ended it", async () => {
    const { path, terminal, mesh, ended } = starting();
    await terminal.until(() => terminal.out.includes("reachable"));
    mesh.close = async () => {
      throw new MeshError("NOT_PERMITTED", "`nft -f -` may not");
    };
    ended.catch(() => {});
    const { code, out, err } = await run(["down", "lo"], { env: { RUNTIME_DIRECTORY: join(path, "..") } });
    expect([code, out, err]).toEqual([1, "", "sidewire-mesh: `nft -f -` may not\n"]);
    await expect(ended).rejects.toMatchObject({ code: "NOT_PERMITTED" });
    expect(existsSync(path)).toBe(false);
  });

  it("closes what it opened when the socket cannot be had", async () => {
    const first = starting();
    await first.terminal.until(() => first.terminal.out.includes("reachable"));
    const second = starting({}, { env: { RUNTIME_DIRECTORY: join(first.path, "..") } });
    await expect(second.ended).rejects.toMatchObject({ code: "IN_USE" });
    expect(second.mesh.closed).toBeGreaterThan(0);
    first.terminal.interrupt();
    await first.ended;
  });

  it("leaves nothing when the mesh cannot be opened", async () => {
    const folder = join(temporaryFolder(), "run");
    const context = new FakeTerminal().context({ env: { RUNTIME_DIRECTORY: folder } });
    const failing = up(context, "lo", {}, async () => {
      throw new MeshError("NO_INTERFACE", "there is no interface lo");
    });
    await expect(failing).rejects.toMatchObject({ code: "NO_INTERFACE" });
    expect(existsSync(folder)).toBe(false);
  });

  it("tells systemd, where it asks for it", async () => {
    const folder = temporaryFolder();
    const log = join(folder, "log");
    const program = join(folder, "systemd-notify");
    writeFileSync(program, `#!/bin/sh\necho "$@" >> ${log}\n`);
    chmodSync(program, 0o755);
    const said = (): string => (existsSync(log) ? readFileSync(log, "utf8") : "");
    const env = {
      NOTIFY_SOCKET: "/run/none",
      WATCHDOG_USEC: "40000",
      PATH: `${folder}:${process.env.PATH}`,
    };
    const { terminal, mesh, ended } = starting({}, { env });
    await expect.poll(said).toContain("READY=1 STATUS=1 of 2 peers reached\n");
    await expect.poll(() => said().split("WATCHDOG=1\n").length).toBeGreaterThan(2);
    mesh.change(someInfo({ peers: [directPeer()] }));
    await expect.poll(said).toContain("STATUS=1 of 1 peer reached\n");
    terminal.interrupt();
    await ended;
    await expect.poll(said).toContain("STOPPING=1 STATUS=");
  });

  it("says once that it cannot tell systemd", async () => {
    const env = { NOTIFY_SOCKET: "/run/none", WATCHDOG_USEC: "2000", PATH: temporaryFolder() };
    const { terminal, ended } = starting({}, { env });
    await terminal.until(() => terminal.err.includes("systemd-notify is not there"));
    terminal.interrupt();
    await ended;
    expect(terminal.err.split("systemd-notify is not there")).toHaveLength(2);
  });
});
