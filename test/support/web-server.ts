import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
};

/** Serves a folder on loopback, on a free port, under a Content-Security-Policy. */
export async function serveFolder(
  folder: string,
  policy: string,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const path = join(folder, normalize(pathname === "/" ? "/index.html" : pathname));
    const type = TYPES[extname(path)];
    const body = type === undefined ? undefined : await readFile(path).catch(() => undefined);
    // An icon is asked for by the browser, not by the page: without one, its absence is an error on the console.
    if (pathname === "/favicon.ico") response.writeHead(204).end();
    else if (type === undefined || body === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-type": type, "content-security-policy": policy }).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A TCP server's address is an AddressInfo once it is listening.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
