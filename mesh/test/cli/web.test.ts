import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { run, start } from "../support/command.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { meshOf, startWebDaemon } from "../support/web-daemon.js";

it("web prints the address of a page, serves it, and ends with Ctrl-C", async () => {
  const { control, env } = await startWebDaemon(join(temporaryFolder(), "run"), meshOf(3));
  const serving = start(["web"], { env });
  await serving.until(({ out, err }) => out.endsWith("\n") && err.includes("Ctrl-C"));
  const [, origin = "", token = ""] = /^(http:\/\/127\.0\.0\.1:\d+)\/#([\w-]{43})\n$/.exec(serving.out) ?? [];
  expect(origin).not.toBe("");
  // Nobody who looks at the process sees the token.
  expect(serving.child.spawnargs.join(" ")).not.toContain(token);

  const types = {
    "/": "text/html",
    "/style.css": "text/css",
    "/parts.css": "text/css",
    "/page.js": "text/javascript",
    "/icon.svg": "image/svg",
  };
  for (const [path, type] of Object.entries(types)) {
    const response = await fetch(origin + path);
    expect([path, response.status]).toEqual([path, 200]);
    expect(response.headers.get("content-type")).toContain(type);
    const text = await response.text();
    // What everybody gets says nothing of the mesh, and loads nothing from elsewhere.
    expect(text).not.toContain("ams-1");
    expect(text.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(
      /(?:src|href|url|import)[=(\s"']+https?:/,
    );
  }
  expect((await fetch(`${origin}/feed`)).status).toBe(401);
  const leaving = new AbortController();
  const headers = { Authorization: `Bearer ${token}` };
  const feed = await fetch(`${origin}/feed`, { headers, signal: leaving.signal });
  const reader = feed.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes('"ams-1"')) text += decoder.decode((await reader?.read())?.value, { stream: true });
  leaving.abort();

  expect(await serving.stop()).toMatchObject({ code: 0 });
  await expect(fetch(origin)).rejects.toThrow();
  await control.close([]);
});

it("web says where it is as JSON, and that a port is in use", async () => {
  const { control, env } = await startWebDaemon(join(temporaryFolder(), "run"), meshOf(1));
  const serving = start(["web", "lo", "--json"], { env });
  await serving.until(({ out }) => out.endsWith("\n"));
  const { url } = JSON.parse(serving.out);
  const { port } = new URL(url);
  expect(serving.err).toBe("");
  const second = await run(["web", "lo", "--port", port], { env });
  expect([second.code, second.err]).toEqual([
    1,
    expect.stringMatching(new RegExp(`^sidewire-mesh: --port ${port}: .*EADDRINUSE`)),
  ]);
  await serving.stop();
  await control.close([]);
});

it("web needs a daemon at the start", async () => {
  const folder = join(temporaryFolder(), "run");
  mkdirSync(folder);
  const { code, out, err } = await run(["web", "lo"], { env: { RUNTIME_DIRECTORY: folder } });
  expect([code, out]).toEqual([1, ""]);
  expect(err).toMatch(/^sidewire-mesh: no daemon looks after lo: start one with sidewire-mesh up lo/);
});

it("web does not take what netcheck does not take", async () => {
  const { code, err } = await run(["web", "lo", "--stun", "nonsense"]);
  expect([code, err]).toEqual([2, expect.stringContaining("--stun")]);
});
