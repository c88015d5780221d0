import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { fetchText } from "../../src/dstack/fetch.js";

const LIMIT = { maxBytes: 1000 } as const;

async function serve(answer: RequestListener): Promise<URL> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) return expect.fail();
  return new URL(`http://127.0.0.1:${address.port}/list.json`);
}

function withPassword(url: URL): URL {
  const secret = new URL(url);
  secret.username = "me";
  secret.password = "p%40ss";
  secret.search = "?token=s3cret";
  return secret;
}

describe("one request", () => {
  it("gets a text with its tag, and nothing when the text is the same", async () => {
    const url = await serve(({ headers }, response) => {
      const isSame = headers["if-none-match"] === '"1"';
      response.writeHead(isSame ? 304 : 200, { ETag: '"1"' }).end(isSame ? undefined : "[]");
    });
    expect(await fetchText(url, LIMIT)).toEqual({ text: "[]", tag: '"1"' });
    expect(await fetchText(url, { ...LIMIT, tag: '"1"' })).toEqual({ text: undefined, tag: '"1"' });
  });

  it("is over when the answer is too long, also when it was packed", async () => {
    const long = "x".repeat(1_000_000);
    const endless = await serve((_, response) => {
      response.on("drain", () => response.write(long));
      response.write(long);
    });
    await expect(fetchText(endless, LIMIT)).rejects.toMatchObject({
      code: "COMMAND_FAILED",
      message: expect.stringContaining("the answer has more than 1000 bytes"),
    });
    const packed = await serve((_, response) =>
      response.writeHead(200, { "Content-Encoding": "gzip" }).end(gzipSync(long)),
    );
    await expect(fetchText(packed, LIMIT)).rejects.toThrow("the answer has more than 1000 bytes");
  });

  it.each(["nothing", "half"])("is over when the server sends %s and then waits", async (what) => {
    const url = await serve((_, response) => {
      if (what === "half") response.write("[");
    });
    await expect(fetchText(url, { ...LIMIT, timeoutMs: 200 })).rejects.toMatchObject({
      code: "TIMEOUT",
      message: expect.stringContaining("no answer within 0.2 s"),
    });
  });

  it("follows some redirects, and tells the password to no other server", async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve(({ headers }, response) => {
      seen.push(headers.authorization);
      response.end("[]");
    });
    const url = await serve(({ headers }, response) => {
      seen.push(headers.authorization);
      response.writeHead(302, { Location: other.href }).end();
    });
    expect((await fetchText(withPassword(url), LIMIT)).text).toBe("[]");
    expect(seen).toEqual([`Basic ${Buffer.from("me:p@ss").toString("base64")}`, undefined]);
  });

  it.each([
    ["/list.json", /it redirects more than 3 times/],
    ["file:///etc/passwd", /from http: to file:, which is not followed/],
    ["ftp://192.0.2.1/", /from http: to ftp:, which is not followed/],
    ["http://[", /it redirects to no place/],
  ])("does not follow a redirect to %s", async (location, why) => {
    const url = await serve((_, response) => response.writeHead(301, { Location: location }).end());
    await expect(fetchText(url, LIMIT)).rejects.toThrow(why);
  });

  it("says what went wrong, and shows no secret", async () => {
    const url = withPassword(await serve((_, response) => response.writeHead(404).end()));
    const shown = `http://127.0.0.1:${url.port}/list.json?…`;
    await expect(fetchText(url, LIMIT)).rejects.toThrow(`${shown}: the server says 404`);
    const nobody = withPassword(new URL("http://127.0.0.1:1/"));
    const said = await fetchText(nobody, LIMIT).catch((error: Error) => error.message);
    expect(said).toMatch(/^http:\/\/127\.0\.0\.1:1\/\?…: /);
    expect(said).not.toMatch(/p%40ss|p@ss|s3cret/);
  });

  it("ends when the daemon ends", async () => {
    const url = await serve(() => {});
    const signal = AbortSignal.timeout(50);
    await expect(fetchText(url, { ...LIMIT, signal })).rejects.toMatchObject({ code: "ABORTED" });
  });
});
