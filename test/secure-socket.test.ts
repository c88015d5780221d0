import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { connect, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { platform } from "../src/platform/node.js";
import type { SocketTarget, Stage } from "../src/platform/platform.js";
import { openSocket } from "../src/platform/socket.js";

const pem = (name: string): string => readFileSync(new URL(`./support/tls/${name}`, import.meta.url), "utf8");
const CA = pem("ca.pem");
const SERVER = { cert: pem("server.pem"), key: pem("server.key") };

/** Listens until the test is over, and ends every connection then. */
async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    socket.on("error", () => {});
    sockets.add(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  // A TCP server's address is an AddressInfo once it is listening.
  return (server.address() as AddressInfo).port;
}

function targetOf(port: number, host = "127.0.0.1"): SocketTarget {
  return {
    transport: "mqtts",
    family: "IPv4",
    host,
    port,
    path: "/",
    localAddress: undefined,
    publicOnly: false,
    ca: platform.parseSocketOptions(undefined, CA).ca,
  };
}

describe("a server over TLS 1.2 that asks for the handshake again", () => {
  /** A server that asks as soon as it may; resolves with what came of it for its first client. */
  async function start(): Promise<{ port: number; outcome: Promise<string> }> {
    const server = createTlsServer({ ...SERVER, maxVersion: "TLSv1.2" });
    const outcome = new Promise<string>((resolve) => {
      server.once("secureConnection", (socket: TLSSocket) => {
        socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
        socket.renegotiate({}, (error) => resolve(error === null ? "repeated" : error.message));
        // What it waits for comes only while somebody reads.
        socket.resume();
      });
    });
    return { port: await listen(server), outcome };
  }

  it("gets it from a client that does not forbid it", async () => {
    const { port, outcome } = await start();
    const client = connect({ host: "127.0.0.1", port, ca: CA }).resume();
    onTestFinished(() => void client.destroy());
    expect(await outcome).toBe("repeated");
  });

  it("does not get it from us", async () => {
    const { port, outcome } = await start();
    const client = await openSocket(targetOf(port), new AbortController().signal);
    onTestFinished(() => void client.destroy());
    client.resume();
    expect(await outcome).toBe("ERR_SSL_NO_RENEGOTIATION");
  });
});

describe("certificates that are trusted besides the usual", () => {
  /** What a connection ends with to a server with the certificate of ten hosts, which signed itself. */
  async function tryTenHosts(): Promise<unknown> {
    const port = await listen(createTlsServer({ cert: pem("ten-hosts.pem"), key: SERVER.key }));
    const opening = openSocket(targetOf(port), new AbortController().signal);
    return await opening.then(
      (socket) => void socket.destroy(),
      (error: unknown) => error,
    );
  }

  it("are those that Node was told of as well, beside the option", async () => {
    expect(await tryTenHosts()).toMatchObject({ code: "BROKER", reason: "tls" });
    vi.stubEnv("NODE_EXTRA_CA_CERTS", fileURLToPath(new URL("./support/tls/ten-hosts.pem", import.meta.url)));
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await tryTenHosts()).toBeUndefined();
    const port = await listen(createTlsServer(SERVER));
    (await openSocket(targetOf(port), new AbortController().signal)).destroy();
  });

  it("are those of the option alone where there is no such file", async () => {
    vi.stubEnv("NODE_EXTRA_CA_CERTS", "/nowhere/ca.pem");
    onTestFinished(() => void vi.unstubAllEnvs());
    const port = await listen(createTlsServer(SERVER));
    (await openSocket(targetOf(port), new AbortController().signal)).destroy();
  });
});

describe("a socket that is given up while it is being opened", () => {
  /** A server that takes connections and says nothing; each is told of when it has ended. */
  function silent(): { server: Server; ended: Promise<void>; taken: Promise<void> } {
    const server = createServer();
    let take = (): void => {};
    const taken = new Promise<void>((resolve) => {
      take = resolve;
    });
    const ended = new Promise<void>((resolve) => {
      server.once("connection", (socket: Socket) => {
        take();
        socket.resume().once("close", () => resolve());
      });
    });
    return { server, ended, taken };
  }

  it("between its connection and TLS leaves nothing behind", async () => {
    const { server, ended } = silent();
    const port = await listen(server);
    const controller = new AbortController();
    const opening = openSocket(targetOf(port), controller.signal, (stage) => {
      if (stage === "handshake") controller.abort();
    });
    await expect(opening).rejects.toMatchObject({ code: "ABORTED" });
    await ended;
  });

  it("in the middle of the handshake leaves nothing behind", async () => {
    const { server, ended, taken } = silent();
    const port = await listen(server);
    const controller = new AbortController();
    const opening = openSocket(targetOf(port), controller.signal);
    opening.catch(() => {});
    await taken;
    controller.abort();
    await expect(opening).rejects.toMatchObject({ code: "ABORTED" });
    await ended;
  });

  it.each<Stage>(["lookup", "connect"])("at the %s is given up at once", async (when) => {
    const { server } = silent();
    const port = await listen(server);
    const controller = new AbortController();
    const seen: Stage[] = [];
    const opening = openSocket(targetOf(port, "localhost"), controller.signal, (stage) => {
      seen.push(stage);
      if (stage === when) controller.abort();
    });
    await expect(opening).rejects.toMatchObject({ code: "ABORTED" });
    expect(seen).not.toContain("handshake");
    const connections = await new Promise<number>((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
    expect(connections).toBe(0);
  });

  it("whose peer hangs up between its connection and TLS says so", async () => {
    const server = createServer((socket) => void socket.destroy());
    const port = await listen(server);
    await expect(openSocket(targetOf(port), new AbortController().signal)).rejects.toMatchObject({
      code: "BROKER",
      reason: "tls",
    });
  });
});
