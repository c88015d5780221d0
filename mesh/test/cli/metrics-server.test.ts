import { request } from "node:http";
import { connect, createServer } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { MetricsServer } from "../../src/cli/metrics-server.js";
import { FakeMesh } from "../support/fake-mesh.js";

/** A port that was free just now. Another process may take it, which is told by a clear error. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === "object" && address !== null ? address.port : expect.fail();
}

async function serve(mesh = new FakeMesh()): Promise<{ port: number; mesh: FakeMesh }> {
  const port = await freePort();
  const server = await MetricsServer.open({ address: "127.0.0.1", family: 4, port }, mesh);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { port, mesh };
}

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly text: string;
}

async function ask(port: number, path: string, method = "GET", host?: string): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const headers = host === undefined ? {} : { Host: host };
    const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode, type: response.headers["content-type"], text }),
      );
    });
    sent.on("error", reject);
    sent.end();
  });
}

describe("metrics over HTTP", () => {
  it("are what the command prints", async () => {
    const { port } = await serve();
    const { status, type, text } = await ask(port, "/metrics");
    expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    expect(text).toContain('sidewire_mesh_peers{interface="lo",state="direct"} 1\n');
    expect(await ask(port, "/metrics", "HEAD")).toMatchObject({ status: 200, text: "" });
  });

  it("are nothing else: no other path, no other method", async () => {
    const { port } = await serve();
    for (const path of ["/", "/status", "/metrics/../x", "//metrics"])
      expect((await ask(port, path)).status).toBe(404);
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"])
      expect((await ask(port, "/metrics", method)).status).toBe(405);
  });

  it("are not for a web page that has a name of its own for this machine", async () => {
    const { port } = await serve();
    expect((await ask(port, "/metrics", "GET", "evil.example")).status).toBe(403);
    for (const host of [`127.0.0.1:${port}`, "localhost", `[::1]:${port}`])
      expect((await ask(port, "/metrics", "GET", host)).status).toBe(200);
  });

  it("go on when a client sends nonsense, or nothing, or when the mesh is closed", async () => {
    const { port, mesh } = await serve();
    for (const bytes of ["nonsense\r\n\r\n", `GET /metrics HTTP/1.1\r\nX: ${"x".repeat(20_000)}\r\n\r\n`]) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.resume().end(bytes);
      await closed;
    }
    const silent = connect(port, "127.0.0.1");
    silent.on("error", () => {});
    onTestFinished(() => void silent.destroy());
    expect((await ask(port, "/metrics")).status).toBe(200);
    await mesh.close();
    await expect(ask(port, "/metrics")).rejects.toThrow();
  });

  it("say that the port is taken", async () => {
    const { port, mesh } = await serve();
    await expect(MetricsServer.open({ address: "127.0.0.1", family: 4, port }, mesh)).rejects.toMatchObject({
      code: "COMMAND_FAILED",
      message: expect.stringContaining(`--metrics 127.0.0.1:${port}: `),
    });
  });
});
