import { spawn } from "node:child_process";
import { once } from "node:events";
import { IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { serveExample } from "../../examples/webrtc/server.js";
import { freePort } from "../support/free-port.js";
import { use } from "../support/peers.js";

const ROOT = join(import.meta.dirname, "../..");

/** Runs the command until it says something, on whichever output. */
async function run(env: NodeJS.ProcessEnv): Promise<{ said: string; interrupt(): Promise<unknown> }> {
  const command = ["--import", "tsx", join(ROOT, "examples/webrtc/main.ts")];
  const child = spawn(process.execPath, command, { cwd: ROOT, env: { ...process.env, ...env } });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exit = once(child, "exit");
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  await Promise.race([
    exit,
    new Promise<void>((resolve) => child.stdout.on("data", () => /Ctrl-C/.test(said) && resolve())),
  ]);
  return {
    said,
    interrupt: async () => {
      child.kill("SIGINT");
      return (await exit)[0];
    },
  };
}

describe("npm run example:webrtc", () => {
  it("says where the page is, and ends at Ctrl-C", async () => {
    const port = await freePort("127.0.0.1");
    const { said, interrupt } = await run({ PORT: String(port), ADDRESS: "127.0.0.1" });
    expect(said).toContain(`http://localhost:${port}/\n`);
    expect(await interrupt()).toBe(0);
  });

  it("says what is wrong, and leaves nothing running", async () => {
    const { port } = use(await serveExample("127.0.0.1", 0));
    const taken = await run({ PORT: String(port), ADDRESS: "127.0.0.1" });
    expect(taken.said).toMatch(/^Error: listen EADDRINUSE/);
    const noPort = await run({ PORT: "http", ADDRESS: "127.0.0.1" });
    expect(noPort.said).toMatch(/port/i);
    // A name, and an address kept for documentation, which no machine has.
    for (const address of ["localhost", "203.0.113.9"]) {
      const noAddress = await run({ ADDRESS: address });
      expect(noAddress.said).toBe(`Error: ${address}: expected an IPv4 address of this machine\n`);
    }
  });
});

describe("the example's server", () => {
  it("serves its own files, and controls its own brokers", async () => {
    const { url, brokers } = use(await serveExample("127.0.0.1", 0));
    const status = async (path: string, method = "GET"): Promise<number> =>
      (await fetch(new URL(path, url), { method })).status;
    const page = await fetch(url);
    expect(page.headers.get("content-security-policy")).toMatch(
      /^default-src 'self'; connect-src 'self' ws:/,
    );
    expect(await page.text()).toContain("page.js");
    expect(await status("page.js")).toBe(200);
    expect(await status("server.ts")).toBe(404);
    expect(await status("%2e%2e/package.json")).toBe(404);
    expect(await status("%")).toBe(404);

    // What no URL can be made of, as `curl --path-as-is` sends it.
    for (const path of ["//", "//:80", "*"]) {
      const [response] = await once(request(url, { path }).end(), "response");
      expect([path, response.statusCode]).toEqual([path, 404]);
      response.resume();
    }

    const [first] = brokers;
    expect(await status(`brokers/${first?.port}/stop`, "POST")).toBe(204);
    // Twice is once.
    expect(await status(`brokers/${first?.port}/stop`, "POST")).toBe(204);
    expect(await status(`brokers/${first?.port}/start`, "POST")).toBe(204);
    expect(await status(`brokers/${first?.port}/explode`, "POST")).toBe(404);
    expect(await status("brokers/1/stop", "POST")).toBe(404);
    // A page from elsewhere, open in the same browser.
    const origins: readonly [string, number][] = [
      ["https://evil.example", 403],
      ["null", 403],
      [new URL(url).origin, 204],
    ];
    for (const [origin, expected] of origins) {
      const asked = await fetch(`${url}brokers/${first?.port}/start`, {
        method: "POST",
        headers: { origin },
      });
      expect(asked.status).toBe(expected);
    }
  });

  it("lets its own page and programs use its brokers, and no page from elsewhere", async () => {
    const { port, brokers } = use(await serveExample("127.0.0.1", 0));
    /** The status that answers a WebSocket's beginning; 101 lets it in. */
    const statusFor = async (broker: number, origin: string | undefined): Promise<number | undefined> => {
      const asking = new WebSocket(`ws://127.0.0.1:${broker}`, "mqtt", { origin });
      const answer = await Promise.race([once(asking, "upgrade"), once(asking, "unexpected-response")]);
      // A socket that was refused never opens: what ends it then is no fault.
      asking.on("error", () => {});
      asking.terminate();
      return answer.find((part): part is IncomingMessage => part instanceof IncomingMessage)?.statusCode;
    };
    const origins: readonly [string | undefined, number][] = [
      [undefined, 101],
      [`http://127.0.0.1:${port}`, 101],
      [`http://localhost:${port}`, 101],
      [`https://localhost:${port}`, 403],
      [`http://localhost:${port + 1}`, 403],
      [`http://evil.example:${port}`, 403],
      ["https://evil.example", 403],
      ["null", 403],
    ];
    for (const broker of brokers) {
      for (const [origin, expected] of origins)
        expect([origin, await statusFor(broker.port, origin)]).toEqual([origin, expected]);
      // Also after it was stopped and started again.
      await broker.stop();
      await broker.start();
      expect(await statusFor(broker.port, "https://evil.example")).toBe(403);
    }
  });

  it("takes no orders of a page under a name that was made to lead here", async () => {
    const { port, brokers } = use(await serveExample("127.0.0.1", 0));
    const headers = { host: `evil.example:${port}`, origin: `http://evil.example:${port}` };
    const path = `/brokers/${brokers[0]?.port}/stop`;
    const [response] = await once(
      request({ host: "127.0.0.1", port, path, method: "POST", headers }).end(),
      "response",
    );
    response.resume();
    expect(response.statusCode).toBe(403);
  });
});
