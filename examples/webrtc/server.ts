import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import { ownAddresses } from "./addresses.js";
import { EmbeddedBroker, poolOf } from "./brokers.js";
import type { Setup } from "./setup.js";

/** The example, served. */
export interface Example extends AsyncDisposable {
  /** Where other devices find the page, if a network connects them. */
  readonly url: string;
  readonly port: number;
  readonly brokers: readonly EmbeddedBroker[];
}

const BROKERS = 3;

const FOLDER = import.meta.dirname;

/**
 * Serves the page and the brokers it uses, to this machine and its network.
 * @param address - this machine's IPv4 address, as others reach it
 * @param wantedPort - 0 for any that is free
 * @param names - by which the page is opened, besides `address` and those of this machine
 */
export async function serveExample(
  address: string,
  wantedPort: number,
  names: readonly string[] = [],
): Promise<Example> {
  if (!ownAddresses().some((own) => own.address === address)) {
    throw new Error(`${address}: expected an IPv4 address of this machine`);
  }
  const files = await pageFiles();
  const ownOrigins = new Set<string>();
  /** Whether it comes from this page, or from no page: any other that is open in a browser here may ask as well. */
  const isOwn = (origin: string | undefined): boolean => origin === undefined || ownOrigins.has(origin);
  const brokers = Array.from({ length: BROKERS }, () => new EmbeddedBroker(isOwn));
  const stopAll = (): Promise<unknown> => Promise.all(brokers.map((broker) => broker.stop()));
  const server = createServer((request, response) => {
    // Not parsed as a URL: anybody may ask for what is none, such as "//".
    const [pathname = ""] = (request.url ?? "").split("?");
    const file = files.get(pathname);
    if (request.method === "POST" && !isOwn(request.headers.origin)) response.writeHead(403).end();
    else if (request.method === "POST") void control(pathname, brokers, response);
    else if (pathname === "/setup.json") {
      const setup: Setup = { brokers: poolOf(address, brokers), url, now: Date.now() };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(setup));
    } else if (file === undefined) response.writeHead(404).end();
    else response.writeHead(200, { ...file.headers, "content-security-policy": policy }).end(file.body);
  });
  try {
    await Promise.all(brokers.map((broker) => broker.start()));
    server.listen(wantedPort);
    await once(server, "listening");
  } catch (error) {
    await stopAll();
    throw error;
  }
  // A TCP server's address is an AddressInfo while it is listening.
  const { port } = server.address() as AddressInfo;
  const url = `http://${address}:${port}/`;
  for (const name of [address, "localhost", "127.0.0.1", "[::1]", ...names])
    ownOrigins.add(new URL(`http://${name}:${port}`).origin);
  const policy = [
    "default-src 'self'",
    `connect-src 'self' ${brokers.map((broker) => `ws://${address}:${broker.port}`).join(" ")}`,
  ].join("; ");
  return {
    url,
    port,
    brokers,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await stopAll();
    },
  };
}

interface PageFile {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The page, bundled: nothing of it comes from elsewhere. */
async function pageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const read = (name: string): Promise<string> => readFile(join(FOLDER, name), "utf8");
  const bundling = build({
    entryPoints: [join(FOLDER, "page.ts")],
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  const [html, css, icon, { outputFiles }] = await Promise.all([
    read("index.html"),
    read("style.css"),
    read("icon.svg"),
    bundling,
  ]);
  const file = (type: string, body: string): PageFile => ({ headers: { "content-type": type }, body });
  return new Map([
    ["/", file("text/html; charset=utf-8", html)],
    ["/style.css", file("text/css; charset=utf-8", css)],
    ["/icon.svg", file("image/svg+xml", icon)],
    ["/page.js", file("text/javascript; charset=utf-8", outputFiles.map(({ text }) => text).join(""))],
  ]);
}

/** The page's buttons: `/brokers/<port>/stop` and `/start`. */
async function control(
  path: string,
  brokers: readonly EmbeddedBroker[],
  response: ServerResponse,
): Promise<void> {
  const [, port, action] = /^\/brokers\/(\d+)\/(start|stop)$/.exec(path) ?? [];
  const broker = brokers.find((candidate) => candidate.port === Number(port));
  try {
    if (action === "start") await broker?.start();
    else await broker?.stop();
    response.writeHead(broker === undefined ? 404 : 204).end();
  } catch (error) {
    response.writeHead(500, { "content-type": "text/plain" }).end(String(error));
  }
}
