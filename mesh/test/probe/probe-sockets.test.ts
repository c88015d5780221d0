import { spawnSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { readFileSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { ProbeSockets } from "../../src/probe/probe-sockets.js";
import { newHostKeys, pairBetween } from "../support/keys.js";
import { NOTHING_YET, ProbingHost } from "../support/probing-host.js";

/** How many sockets are bound to a UDP port here. */
function boundTo(port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return ["udp", "udp6"]
    .flatMap((file) => readFileSync(`/proc/net/${file}`, "utf8").split("\n"))
    .filter((line) => line.trim().split(/\s+/)[1]?.endsWith(suffix)).length;
}

async function plainSocket(port = 0): Promise<Socket> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  await new Promise<void>((resolve) => socket.bind(port, "127.0.0.1", resolve));
  return socket;
}

describe("the sockets of probes", () => {
  it("share one port, whatever addresses come and go, and leave nothing", async () => {
    const sockets = await ProbeSockets.open(() => {});
    expect(boundTo(sockets.port)).toBe(2);
    await sockets.setLocalAddresses(["127.0.0.1", "127.0.0.2", "::1"]);
    expect(boundTo(sockets.port)).toBe(5);
    // The last call counts, also when it comes before the one before is done.
    const calls = [["127.0.0.3"], ["127.0.0.4", "127.0.0.2"], ["127.0.0.2"]];
    await Promise.all(calls.map((addresses) => sockets.setLocalAddresses(addresses)));
    await nextTurn();
    expect(sockets.localAddresses).toEqual(["127.0.0.2"]);
    expect(boundTo(sockets.port)).toBe(3);
    const late = sockets.setLocalAddresses(["127.0.0.5", "127.0.0.6"]);
    await sockets.close();
    await late;
    await nextTurn();
    expect(boundTo(sockets.port)).toBe(0);
    expect(sockets.send(new Uint8Array(8), { address: "127.0.0.1", family: 4, port: 9 })).toBe(false);
  });

  it("drop what has waited, and nothing that comes later", async () => {
    const got: string[] = [];
    await using sockets = await ProbeSockets.open((bytes) => got.push(Buffer.from(bytes).toString()));
    await sockets.setLocalAddresses(["127.0.0.2"]);
    // While another process sends, this one is not in its event loop.
    const send = (text: string, count: number): void => {
      const program = `const socket = require("node:dgram").createSocket("udp4");
        let left = 2 * ${count};
        const sent = () => --left === 0 && socket.close();
        for (const to of ["127.0.0.1", "127.0.0.2"])
          for (let i = 0; i < ${count}; i++) socket.send("${text}", ${sockets.port}, to, sent);`;
      expect(spawnSync(process.execPath, ["-e", program]).status).toBe(0);
    };
    send("early", 100);
    sockets.dropWaiting();
    for (let i = 0; i < 20; i++) await nextTurn();
    expect(got).toEqual([]);
    send("late", 1);
    while (got.length < 2) await nextTurn();
    expect(got).toEqual(["late", "late"]);
  });

  it("count an address that is not there, and try it again", async () => {
    await using sockets = await ProbeSockets.open(() => {});
    await sockets.setLocalAddresses(["192.0.2.77", "nonsense", "127.0.0.2"]);
    expect(sockets.localAddresses).toEqual(["127.0.0.2"]);
    expect(sockets.errors.get("EADDRNOTAVAIL")).toBeGreaterThan(0);
    await sockets.setLocalAddresses(["127.0.0.3"]);
    expect(sockets.localAddresses).toEqual(["127.0.0.3"]);
  });

  it("never take the port of somebody who shares it, too", async () => {
    const others = await Promise.all(Array.from({ length: 200 }, () => plainSocket()));
    const taken = new Set(others.map((socket) => socket.address().port));
    for (let i = 0; i < 20; i++) {
      await using sockets = await ProbeSockets.open(() => {});
      expect(taken.has(sockets.port)).toBe(false);
    }
    for (const socket of others) socket.close();
  });

  it("let the thread do other things while they are flooded, and answer who is known in between", async () => {
    await using a = await ProbingHost.start();
    await using b = await ProbingHost.start();
    a.meet(b);
    b.meet(a);
    for (let i = 0; i < 50; i++) {
      const peer = newHostKeys();
      b.prober.addPeer(peer.publicKey, pairBetween(b.keys, peer));
    }
    const flooder = await plainSocket();
    const junk = Buffer.alloc(88, 7);
    junk.set([0, 1, 0, 68, 0x21, 0x12, 0xa4, 0x42]);
    junk.set([0xfd, 0, 0, 8], 20);
    junk.set([0xfd, 1, 0, 52], 32);
    b.keepsPackets = false;
    let most = 0;
    for (let turn = 0; turn < 200; turn++) {
      if (turn % 50 === 0) a.prober.send(b.name, b.endpoint(), NOTHING_YET);
      const before = b.received;
      // More than is read in a turn: the socket's buffer is full, and the kernel drops the rest.
      for (let i = 0; i < 100; i++) flooder.send(junk, b.sockets.port, "127.0.0.1");
      await nextTurn();
      most = Math.max(most, b.received - before);
    }
    flooder.close();
    await a.until(() => a.answered.length === 4);
    // Node reads 32 packets of a socket in a turn. Each costs less than 5 µs of ours.
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(64);
    expect(b.probed).toHaveLength(4);
  });
});
