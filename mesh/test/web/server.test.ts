import { describe, expect, it } from "vitest";
import type { Finding } from "../../src/cli/finding.js";
import { MeshError } from "../../src/errors.js";
import { MAX_BODY_BYTES } from "../../src/web/asked.js";
import { Guard } from "../../src/web/guard.js";
import { ask, firstOf, INVITATION, INVITE, open, own, serve, TOKEN } from "../support/web-server.js";

describe("the page's own files", () => {
  it("are for everybody, and let nothing else be loaded or run", async () => {
    const { port } = await serve();
    const response = await open(port, "/");
    expect(response.statusCode).toBe(200);
    const { headers } = response;
    const policy = headers["content-security-policy"];
    expect(policy).toMatch(/^default-src 'none'; script-src 'self';/);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("require-trusted-types-for 'script'; trusted-types 'none'");
    expect(headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
      "cross-origin-resource-policy": "same-origin",
    });
    expect(headers).not.toHaveProperty("access-control-allow-origin");
    expect(headers).not.toHaveProperty("set-cookie");
    expect(await ask(port, "/", { method: "HEAD" })).toEqual({ status: 200, text: "" });
    expect((await ask(port, "/", { method: "POST" })).status).toBe(405);
  });

  it("are no others: no path leads out of them", async () => {
    const { port } = await serve();
    for (const path of [
      "/../package.json",
      "/%2e%2e/package.json",
      "//",
      "/?",
      "/page.js/..",
      "http://127.0.0.1/",
    ])
      expect((await ask(port, path)).status).toBe(401);
    expect((await ask(port, "/none", { headers: own(port) })).status).toBe(404);
  });
});

describe("everything else", () => {
  it("is for who has the token, in the header", async () => {
    const { port, server } = await serve();
    const others: Record<string, string>[] = [
      {},
      { Authorization: "Bearer " },
      { Authorization: `Bearer ${TOKEN}x` },
      { Authorization: `Bearer ${TOKEN.slice(0, -1)}` },
      { Authorization: `Basic ${TOKEN}` },
      { Authorization: `Bearer ${"x".repeat(5000)}` },
      { Cookie: `token=${TOKEN}` },
    ];
    for (const headers of others) {
      const { status, text } = await ask(port, "/feed", { headers });
      expect([status, text]).toEqual([401, expect.not.stringContaining("peers")]);
      const posted = {
        method: "POST",
        headers: { ...headers, Origin: `http://127.0.0.1:${port}` },
        body: INVITE,
      };
      for (const path of ["/invite", "/netcheck"]) expect((await ask(port, path, posted)).status).toBe(401);
    }
    for (const path of [`/feed?token=${TOKEN}`, `/feed/${TOKEN}`])
      expect((await ask(port, path)).status).toBe(401);
    const response = await open(port, "/feed", { headers: own(port) });
    expect([response.statusCode, response.headers["content-type"]]).toEqual([
      200,
      "text/event-stream; charset=utf-8",
    ]);
    expect(await firstOf(response)).toMatch(/^data: \{/);
    expect(server.url).toBe(`http://127.0.0.1:${port}/#${TOKEN}`);
  });

  it("is not for a web page that has a name of its own for this machine", async () => {
    const { port } = await serve();
    for (const host of [
      "evil.example",
      `evil.example:${port}`,
      "127.0.0.1",
      `127.0.0.1:${port + 1}`,
      `[::1]:${port}`,
    ]) {
      expect((await ask(port, "/", { headers: { Host: host } })).status).toBe(403);
      expect((await ask(port, "/feed", { headers: own(port, { Host: host }) })).status).toBe(403);
    }
    const headers = own(port, { Host: `LOCALHOST:${port}`, Origin: `http://localhost:${port}` });
    expect((await open(port, "/feed", { headers })).statusCode).toBe(200);
  });

  it("is at the usual port by a name without one, as browsers write it", () => {
    const guard = new Guard(TOKEN, 80);
    expect(guard.refuseName({ host: "127.0.0.1" })).toBeUndefined();
    expect(guard.refuseForeign({ origin: "http://localhost" }, true)).toBeUndefined();
    expect(guard.refuseName({})?.status).toBe(403);
  });

  it("is not for another origin, and a change is not for an unknown one", async () => {
    const invited: unknown[] = [];
    const { port } = await serve({
      invite: async (wanted) => {
        invited.push(wanted);
        return INVITATION;
      },
    });
    for (const origin of [
      "http://evil.example",
      "null",
      `http://127.0.0.1:${port + 1}`,
      `https://127.0.0.1:${port}`,
    ]) {
      const headers = own(port, { Origin: origin });
      expect((await ask(port, "/feed", { headers })).status).toBe(403);
      expect((await ask(port, "/invite", { method: "POST", headers, body: INVITE })).status).toBe(403);
    }
    const { Origin: _, ...without } = own(port);
    expect((await ask(port, "/invite", { method: "POST", headers: without, body: INVITE })).status).toBe(403);
    const crossing = own(port, { "Sec-Fetch-Site": "cross-site" });
    expect((await ask(port, "/feed", { headers: crossing })).status).toBe(403);
    expect((await ask(port, "/invite", { method: "POST", headers: crossing, body: INVITE })).status).toBe(
      403,
    );
    // What a browser asks beforehand, for another origin.
    const before = await open(port, "/invite", {
      method: "OPTIONS",
      headers: { Origin: "http://evil.example" },
    });
    expect(before.statusCode).toBe(403);
    expect(Object.keys(before.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
    expect(invited).toEqual([]);
    const right = { method: "POST", headers: own(port, { "Sec-Fetch-Site": "same-origin" }), body: INVITE };
    expect(JSON.parse((await ask(port, "/invite", right)).text)).toEqual(INVITATION);
    expect(invited).toEqual([{ do: "invite", uses: 1, expiresS: 60, approve: false }]);
  });

  it("is asked by the right method alone", async () => {
    const { port } = await serve();
    for (const [method, path] of [
      ["GET", "/invite"],
      ["GET", "/netcheck"],
      ["POST", "/feed"],
      ["PUT", "/invite"],
      ["DELETE", "/feed"],
    ] as const)
      expect((await ask(port, path, { method, headers: own(port) })).status).toBe(404);
  });
});

describe("an invitation", () => {
  it("needs a body that is small and right", async () => {
    const { port } = await serve();
    const post = (
      body: string,
      more: Record<string, string> = {},
    ): Promise<{ status?: number | undefined }> =>
      ask(port, "/invite", { method: "POST", headers: own(port, more), body });
    const wrong = [
      "",
      "nonsense",
      "[]",
      "null",
      "1",
      "{}",
      '{"uses":0,"expiresS":60,"approve":false}',
      '{"uses":1,"expiresS":1e12,"approve":false}',
      '{"uses":1,"expiresS":60,"approve":"yes"}',
      '{"uses":1,"expiresS":60,"approve":false,"more":1}',
    ];
    for (const body of wrong) expect([body, (await post(body)).status]).toEqual([body, 400]);
    expect((await post(INVITE, { "Content-Type": "text/plain" })).status).toBe(415);
    const large = INVITE + " ".repeat(MAX_BODY_BYTES);
    expect((await post(large)).status).toBe(413);
    expect((await post(large, { "Transfer-Encoding": "chunked" })).status).toBe(413);
    expect((await post(INVITE)).status).toBe(200);
    // The request is to invite, whatever the body says.
    expect((await post('{"do":"remove","name":"x"}')).status).toBe(400);
  });

  it("says why the daemon gives none", async () => {
    const { port } = await serve({
      invite: async () => {
        throw new MeshError("NOT_ADMIN", "only an admin invites");
      },
    });
    const { status, text } = await ask(port, "/invite", { method: "POST", headers: own(port), body: INVITE });
    expect([status, JSON.parse(text)]).toEqual([
      409,
      { code: "NOT_ADMIN", message: "only an admin invites" },
    ]);
  });

  it("keeps what is not expected to itself", async () => {
    const { port } = await serve({
      invite: async () => {
        throw new Error("a secret");
      },
    });
    const { status, text } = await ask(port, "/invite", { method: "POST", headers: own(port), body: INVITE });
    expect([status, text]).toEqual([500, expect.not.stringContaining("secret")]);
  });
});

describe("a check of the network", () => {
  it("tells each finding, one check at a time, and ends when its reader goes", async () => {
    let say = (_: Finding): void => {};
    const ended: string[] = [];
    const { port } = await serve({
      netcheck: async function* (signal) {
        const gone = new Promise<undefined>((resolve) =>
          signal.addEventListener("abort", () => resolve(undefined)),
        );
        try {
          for (;;) {
            const next = new Promise<Finding>((resolve) => {
              say = resolve;
            });
            const finding = await Promise.race([next, gone]);
            if (finding === undefined) return;
            yield finding;
          }
        } finally {
          ended.push("ended");
        }
      },
    });
    const asked = { method: "POST", headers: own(port), body: "{}" };
    const response = await open(port, "/netcheck", asked);
    say({ check: "UDP", level: "ok", message: "<b>gets through" });
    const [line] = (await new Promise<Buffer>((resolve) => response.once("data", resolve)))
      .toString()
      .split("\n");
    expect(JSON.parse(line ?? "")).toEqual({ check: "UDP", level: "ok", message: "<b>gets through" });
    expect((await ask(port, "/netcheck", asked)).status).toBe(409);
    response.destroy();
    await expect.poll(() => ended).toEqual(["ended"]);
    expect((await open(port, "/netcheck", asked)).statusCode).toBe(200);
  });
});
