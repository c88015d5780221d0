import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, expect, it, vi } from "vitest";
import { Keypair } from "../../src/index.js";
import type * as LookUpModule from "../../src/platform/look-up.js";
import type { Transport } from "../../src/platform/transports.js";
import { openBlackHoles } from "../faults/black-holes.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { freePort } from "../support/free-port.js";
import { pem } from "../support/little-server.js";
import { makePeer, startPeer, untilBrokers, use } from "../support/peers.js";

/** What the names of these tests lead to. */
const addresses = vi.hoisted(() => new Map<string, readonly string[]>());

vi.mock("../../src/platform/look-up.js", async (importOriginal) => {
  const { lookUp } = await importOriginal<typeof LookUpModule>();
  const known: typeof lookUp = async (host, ...rest) => addresses.get(host) ?? (await lookUp(host, ...rest));
  return { lookUp: known };
});

const FIELD = { mqtt: "port", mqtts: "tls", ws: "ws", wss: "wss" } as const;
const TRANSPORTS = ["mqtt", "mqtts", "ws", "wss"] as const;
const ca = pem("ca.pem");
const tls = { cert: pem("server.pem"), key: pem("server.key") };

// The certificate is for this name.
const NAME = "localhost";

const brokerAt = async (host: string, port: number, transport: Transport = "mqtt") =>
  use(await startEmbeddedBroker(host, port, { transport, tls }));

describe("a broker whose name has several addresses", () => {
  it.each(TRANSPORTS)("is reached at the second when the first is closed, by %s", async (transport) => {
    const { port } = await brokerAt("127.15.1.2", 0, transport);
    addresses.set(NAME, ["127.15.1.1", "127.15.1.2"]);
    const peer = await startPeer({ IPv4: { [NAME]: { [FIELD[transport]]: port } } }, { ca });
    expect(peer.stats().brokers).toMatchObject([{ host: NAME, state: "open", failures: 0 }]);
  });

  it.each(TRANSPORTS)("is reached at the third when two swallow every attempt, by %s", async (transport) => {
    const holes = use(await openBlackHoles(["127.15.2.1"]));
    const port = holes.endpoints[0]?.port ?? 0;
    await brokerAt("127.15.2.2", port, transport);
    addresses.set(NAME, ["127.15.2.1", "127.15.2.1", "127.15.2.2"]);
    const peer = await startPeer({ IPv4: { [NAME]: { [FIELD[transport]]: port } } }, { ca });
    expect(peer.stats().brokers).toMatchObject([{ host: NAME, state: "open", failures: 0 }]);
  });

  it("is reached at the second in the next attempt when the first takes connections and hangs up", async () => {
    const broker = await brokerAt("127.15.3.2", 0);
    const sockets = new Set<Socket>();
    const dead = createServer((socket) => sockets.add(socket.on("error", () => {}).end()));
    dead.listen(broker.port, "127.15.3.1");
    await once(dead, "listening");
    use({
      [Symbol.asyncDispose]: async () => {
        for (const socket of sockets) socket.destroy();
        dead.close();
      },
    });
    addresses.set("half-dead.test", ["127.15.3.1", "127.15.3.2"]);
    const peer = makePeer({ IPv4: { "half-dead.test": { port: broker.port } } });
    await expect(peer.start()).rejects.toMatchObject({ brokers: [{ error: "closed before it answered" }] });
    await untilBrokers(peer, () => peer.stats().brokers[0]?.state === "open");
    expect(broker.connections).toBe(1);
  });

  it("says what became of each when none answers", async () => {
    const port = await freePort("127.15.4.1");
    addresses.set("dead.test", ["127.15.4.1", "127.15.4.2"]);
    await expect(makePeer({ IPv4: { "dead.test": { port } } }).start()).rejects.toMatchObject({
      brokers: [
        {
          error:
            "none of 2 addresses: connection refused (ECONNREFUSED) at 127.15.4.1; connection refused (ECONNREFUSED) at 127.15.4.2",
        },
      ],
    });
  });

  it("is not dialled for a hint when one of them is private", async () => {
    const own = await brokerAt("127.15.5.1", 0);
    const victim = await brokerAt("127.15.5.2", 0);
    const peer = await startPeer({ IPv4: { "127.15.5.1": { port: own.port } } });
    addresses.set("two-faced.test", ["192.0.2.1", "127.15.5.2"]);
    const hint = { af: 2, host: "two-faced.test", port: victim.port } as const;
    const pipe = await peer.pipe(Keypair.generate().publicKeyHex, { hintBrokers: [hint] });
    expect(await pipe.send("to whom?", { timeoutMs: 200 })).toBe(0);
    expect(victim.connections).toBe(0);
    expect(peer.stats().brokers.find(({ host }) => host === "two-faced.test")?.lastError).toContain(
      "private",
    );
  });
});
