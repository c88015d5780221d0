import { once } from "node:events";
import { chmodSync, existsSync, lstatSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { ControlClient } from "../../src/control/client.js";
import { MAX_REQUEST_BYTES, parseReply, parseRequest } from "../../src/control/protocol.js";
import { ControlServer } from "../../src/control/server.js";
import { MeshError } from "../../src/errors.js";
import { directPeer, FakeMesh, KEY_A, KEY_B, KEY_C, someInfo, unmetPeer } from "../support/fake-mesh.js";
import { temporaryFolder } from "../support/temporary-folder.js";

interface Daemon {
  readonly mesh: FakeMesh;
  readonly folder: string;
  readonly path: string;
  readonly control: ControlServer;
  /** Resolves when somebody wants it to end. */
  readonly down: Promise<void>;
}

async function daemon(folder = join(temporaryFolder(), "run"), name = "lo"): Promise<Daemon> {
  const mesh = new FakeMesh();
  const path = join(folder, `${name}.sock`);
  let onDown = (): void => {};
  const down = new Promise<void>((resolve) => {
    onDown = resolve;
  });
  const control = await ControlServer.open({ path, mesh, onDown });
  onTestFinished(() => control.close([]));
  return { mesh, folder, path, control, down };
}

/** Says something, and reads all that comes back. */
async function say(path: string, text: string | Uint8Array): Promise<string> {
  const socket = connect(path);
  socket.on("error", () => {});
  socket.write(text);
  let said = "";
  socket.setEncoding("utf8").on("data", (part) => {
    said += part;
  });
  await once(socket, "close");
  return said;
}

describe("the daemon's socket", () => {
  it("is its owner's alone, in a folder that is so too", async () => {
    const { folder, path } = await daemon();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["lo.sock"]);
  });

  it("makes a folder its own that others could look into", async () => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o755);
    await daemon(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  it("is gone at the end", async () => {
    const { control, path, folder } = await daemon();
    await control.close([]);
    expect(existsSync(path)).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("takes the place of one that a dead daemon left", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "lo.sock");
    // What is left of a process that was killed: a socket at which nobody listens.
    const dead = createServer().listen(`${path}.1`);
    await once(dead, "listening");
    renameSync(`${path}.1`, path);
    await new Promise((resolve) => dead.close(resolve));
    expect(lstatSync(path).isSocket()).toBe(true);
    const { mesh } = await daemon(folder);
    expect((await (await ControlClient.find(folder, "lo")).status()).peers).toHaveLength(
      mesh.now.peers.length,
    );
  });

  it("takes the place of what is no socket", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "lo.sock"), "left over");
    await daemon(folder);
    expect(lstatSync(join(folder, "lo.sock")).isSocket()).toBe(true);
  });

  it("is not taken from a daemon that lives, also when several start at once", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "lo.sock"), "left over");
    const started = await Promise.allSettled(Array.from({ length: 5 }, () => daemon(folder)));
    const won = started.filter(({ status }) => status === "fulfilled");
    const lost = started.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    expect(won).toHaveLength(1);
    for (const error of lost) expect(error).toMatchObject({ code: "IN_USE" });
    expect(readdirSync(folder)).toEqual(["lo.sock"]);
    await expect((await ControlClient.find(folder, "lo")).status()).resolves.toBeDefined();
  });

  it("says when its path is too long for the system", async () => {
    const folder = join(temporaryFolder(), "x".repeat(100));
    await expect(daemon(folder)).rejects.toMatchObject({ code: "FILE" });
  });
});

describe("a client", () => {
  it("finds the only daemon whose interface is here", async () => {
    const { folder } = await daemon();
    writeFileSync(join(folder, "elsewhere0.sock"), "");
    expect((await ControlClient.find(folder, undefined)).interface).toBe("lo");
  });

  it("says how to start one where there is none", async () => {
    const folder = temporaryFolder();
    await expect(ControlClient.find(join(folder, "none"), undefined)).rejects.toMatchObject({
      code: "NO_DAEMON",
      message: expect.stringContaining("sidewire-mesh up wg0"),
    });
    await expect(ControlClient.find(folder, undefined)).rejects.toMatchObject({ code: "NO_DAEMON" });
    const client = await ControlClient.find(folder, "wg7");
    await expect(client.status()).rejects.toMatchObject({
      code: "NO_DAEMON",
      message: expect.stringContaining("sidewire-mesh up wg7"),
    });
  });

  it.each(["", "../x", "a/b", "..", "sixteenletters00", "wg 0"])("refuses the interface %j", async (name) => {
    await expect(ControlClient.find(temporaryFolder(), name)).rejects.toMatchObject({
      code: "INVALID_OPTION",
    });
  });

  it("gets what the daemon knows, all of it", async () => {
    const { folder, mesh } = await daemon();
    mesh.now = someInfo({ peers: [directPeer({ name: "ann" }), unmetPeer()] });
    const client = await ControlClient.find(folder, "lo");
    expect(await client.status()).toEqual(mesh.now);
  });

  it("watches: now, and at each change, not at each of a hundred changes at once", async () => {
    const { folder, mesh, control } = await daemon();
    const client = await ControlClient.find(folder, "lo");
    const seen: string[] = [];
    for await (const { nat } of client.watch()) {
      seen.push(nat);
      if (seen.length === 1)
        for (let i = 0; i <= 100; i++) mesh.change(someInfo({ nat: i < 100 ? "open" : "blocked" }));
      else void control.close([]);
    }
    expect(seen).toEqual(["stable", "blocked"]);
    expect(mesh.listenerCount("peer")).toBe(0);
  });

  it("that no longer watches is forgotten", async () => {
    const { folder, mesh } = await daemon();
    const stop = new AbortController();
    const client = await ControlClient.find(folder, "lo");
    const watching = (async () => {
      for await (const _ of client.watch(stop.signal)) stop.abort();
    })();
    await expect(watching).rejects.toThrow();
    await expect.poll(() => mesh.listenerCount("peer")).toBe(0);
  });

  it.each([
    ["its key", KEY_A],
    ["the beginning of it", KEY_A.slice(0, 6)],
    ["its name", "ann"],
  ])("pings a peer by %s", async (_, wanted) => {
    const { folder, mesh } = await daemon();
    mesh.now = someInfo({
      peers: [directPeer({ name: "ann" }), unmetPeer(), unmetPeer({ publicKey: KEY_C })],
    });
    const client = await ControlClient.find(folder, "lo");
    const { peer, answers } = await client.ping(wanted);
    expect(peer).toBe(KEY_A);
    expect(answers).toEqual(mesh.answers);
    expect(mesh.pinged).toEqual([KEY_A]);
  });

  it.each([
    ["nobody's key", "zzz", "no peer of lo has the key or name zzz"],
    ["the beginning of two keys", "TrMv", "2 peers of lo have a key that begins with TrMv: give more of it"],
  ])("is told of %s", async (_, wanted, message) => {
    const { folder, mesh } = await daemon();
    mesh.now = someInfo({ peers: [unmetPeer(), unmetPeer({ publicKey: KEY_C }), directPeer()] });
    const client = await ControlClient.find(folder, "lo");
    await expect(client.ping(wanted)).rejects.toMatchObject({
      code: "NO_PEER",
      message: expect.stringContaining(message),
    });
    expect((await client.ping(KEY_B)).peer).toBe(KEY_B);
  });

  it("ends the daemon, and hears what was put back", async () => {
    const { folder, down, control } = await daemon();
    const asked = (await ControlClient.find(folder, "lo")).down();
    await down;
    await control.close(["the endpoint of one peer"]);
    expect(await asked).toEqual(["the endpoint of one peer"]);
  });

  it("hears why something could not be put back", async () => {
    const { folder, down, control } = await daemon();
    const asked = (await ControlClient.find(folder, "lo")).down();
    await down;
    await control.close(new MeshError("NOT_PERMITTED", "it may not"));
    await expect(asked).rejects.toMatchObject({ code: "NOT_PERMITTED", message: "it may not" });
  });

  it("that is answered nonsense says so", async () => {
    const folder = temporaryFolder();
    const server = createServer((socket) => socket.end('{"is":"info","info":{}}\n')).listen(
      join(folder, "lo.sock"),
    );
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const client = await ControlClient.find(folder, "lo");
    await expect(client.status()).rejects.toMatchObject({
      code: "COMMAND_FAILED",
      message: expect.stringContaining("of another version"),
    });
  });
});

describe("a bad neighbour", () => {
  it.each([
    ["no JSON", "status\n"],
    ["another question", '{"ask":"reboot"}\n'],
    ["more than is asked", '{"ask":"status","more":1}\n'],
    ["a peer without end", `{"ask":"ping","peer":"${"x".repeat(300)}"}\n`],
    ["no UTF-8", Buffer.from([0xff, 0xfe, 0x0a])],
  ])("who says %s is told so", async (_, text) => {
    const { path } = await daemon();
    expect(parseReply((await say(path, text)).trimEnd())).toMatchObject({ code: "INVALID_OPTION" });
  });

  it("who says too much is cut off", async () => {
    const { path } = await daemon();
    expect(await say(path, "x".repeat(MAX_REQUEST_BYTES + 1))).toBe("");
  });

  it("who takes all places leaves the daemon alive, and others are told", async () => {
    const { path, folder } = await daemon();
    const sockets = Array.from({ length: 16 }, () => connect(path));
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    const client = await ControlClient.find(folder, "lo");
    await expect(client.status()).rejects.toMatchObject({ code: "NO_DAEMON" });
    for (const socket of sockets) socket.destroy();
    await expect
      .poll(() =>
        client.status().then(
          () => "answered",
          () => "full",
        ),
      )
      .toBe("answered");
  });

  it("who watches and never reads costs one message, and not all of them", async () => {
    const { path, mesh, folder } = await daemon();
    const many = Array.from({ length: 5000 }, () => directPeer());
    mesh.now = someInfo({ peers: many });
    const socket: Socket = connect(path);
    onTestFinished(() => void socket.destroy());
    socket.pause();
    socket.write('{"ask":"watch"}\n');
    let asked = 0;
    const info = mesh.info.bind(mesh);
    mesh.info = () => {
      asked++;
      return info();
    };
    await expect.poll(() => asked).toBeGreaterThan(0);
    const before = asked;
    // Each change would be told to whoever reads.
    for (let i = 0; i < 4; i++) {
      mesh.change(someInfo({ peers: [] }));
      await (await ControlClient.find(folder, "lo")).status();
    }
    expect(asked - before).toBe(4);
  });

  it("cannot make the parsers throw", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        parseRequest(text);
        parseReply(text);
      }),
      { numRuns: 2000 },
    );
  });
});
