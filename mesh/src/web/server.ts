import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Finding } from "../cli/finding.js";
import { printable } from "../cli/printable.js";
import { MeshError } from "../errors.js";
import { BadRequest, type InviteRequest, readInvite } from "./asked.js";
import type { Feed } from "./feed.js";
import { streamFeed } from "./feed-stream.js";
import { Guard, type Refusal } from "./guard.js";
import type { PageFile } from "./page-files.js";

/** The maximum number of connections, and of those that are sent the feed. */
export const MAX_CONNECTIONS = 32;
export const MAX_FEEDS = 8;

/** The time for a client to send the whole request, in ms. */
export const PATIENCE_MS = 5000;

/** The maximum size of the headers of a request, in bytes. */
export const MAX_HEADER_BYTES = 8192;

/** How long the daemon may take to invite, and a check of the network, in ms. */
const INVITE_MS = 15_000;
const NETCHECK_MS = 90_000;

const HEADERS: Readonly<Record<string, string>> = {
  // Nothing but the page's own files is loaded, no text becomes a program, and no page shows this one within itself.
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
    "require-trusted-types-for 'script'; trusted-types 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
};

/** An invitation, as the page shows it. */
export interface InviteShown {
  readonly token: string;
  readonly network: string;
  /** Unix ms. */
  readonly expires: number;
  readonly uses: number;
  readonly notes: readonly string[];
  /** The token as QR code: the number of modules of a side, and the path of the dark ones in SVG. */
  readonly qr: { readonly size: number; readonly path: string };
}

/** What is served. */
export interface Site {
  readonly token: string;
  readonly files: ReadonlyMap<string, PageFile>;
  readonly feed: Feed;
  invite(request: InviteRequest, signal: AbortSignal): Promise<InviteShown>;
  netcheck(signal: AbortSignal): AsyncIterable<Finding>;
}

/**
 * Serves the page over HTTP at 127.0.0.1. The page's own files are the same for everybody, and say nothing of the mesh.
 * Everything else needs the token.
 */
export class WebServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #site: Site;
  readonly #closing = new AbortController();
  #guard: Guard;
  #feeds = 0;
  #isChecking = false;

  private constructor(site: Site) {
    this.#site = site;
    this.#guard = new Guard(site.token, 0);
    this.#server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        requestTimeout: PATIENCE_MS,
        headersTimeout: PATIENCE_MS,
        keepAliveTimeout: PATIENCE_MS,
        connectionsCheckingInterval: 1000,
      },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on("clientError", (_, socket) => socket.destroy());
  }

  /**
   * @param port - 0 for a free one
   * @throws {@link MeshError} `COMMAND_FAILED` when the port cannot be used
   */
  static async open(port: number, site: Site): Promise<WebServer> {
    const web = new WebServer(site);
    await new Promise<void>((resolve, reject) => {
      web.#server.once("error", (error) =>
        reject(new MeshError("COMMAND_FAILED", `--port ${port}: ${error.message}`, { cause: error })),
      );
      web.#server.listen(port, "127.0.0.1", resolve);
    });
    web.#server.on("error", () => {});
    web.#guard = new Guard(site.token, web.port);
    return web;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Where the page is. The token is behind the `#`, which browsers send to nobody. */
  get url(): string {
    return `http://127.0.0.1:${this.port}/#${this.#site.token}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setTimeout(NETCHECK_MS);
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    try {
      const { method, url = "", headers } = request;
      const misnamed = this.#guard.refuseName(headers);
      if (misnamed !== undefined) return refuse(response, misnamed);
      const file = this.#site.files.get(url);
      if (file !== undefined) return sendFile(response, method, file);
      const isChange = method !== "GET";
      const refusal = this.#guard.refuseForeign(headers, isChange) ?? this.#guard.refuseStranger(headers);
      if (refusal !== undefined) return refuse(response, refusal);
      await this.#answerPage(request, response, `${method} ${url}`);
    } catch (error) {
      fail(response, error);
    }
  }

  /** Answers a request of the page. */
  async #answerPage(request: IncomingMessage, response: ServerResponse, what: string): Promise<void> {
    switch (what) {
      case "GET /feed":
        return this.#stream(response);
      case "POST /invite":
        return sendJson(response, 200, await this.#invite(request));
      case "POST /netcheck":
        return await this.#check(response);
      default:
        return sendJson(response, 404, { code: "HTTP", message: "there is nothing here" });
    }
  }

  #stream(response: ServerResponse): void {
    if (this.#feeds >= MAX_FEEDS) {
      const message = `the page is open ${MAX_FEEDS} times: close one`;
      sendJson(response, 503, { code: "BUSY", message });
    } else {
      this.#feeds++;
      response.once("close", () => this.#feeds--);
      streamFeed(this.#site.feed, response);
    }
  }

  async #invite(request: IncomingMessage): Promise<InviteShown> {
    const wanted = await readInvite(request);
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(INVITE_MS)]);
    const invitation = await this.#site.invite(wanted, signal);
    this.#site.feed.forgetMembers();
    return invitation;
  }

  /** Sends each finding as a line of JSON, as soon as it is known. One check runs at a time. */
  async #check(response: ServerResponse): Promise<void> {
    if (this.#isChecking)
      return sendJson(response, 409, { code: "BUSY", message: "the network is being checked already" });
    this.#isChecking = true;
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const signal = AbortSignal.any([gone.signal, this.#closing.signal, AbortSignal.timeout(NETCHECK_MS)]);
    try {
      response.writeHead(200, { "Content-Type": "application/x-ndjson; charset=utf-8" });
      response.flushHeaders();
      for await (const finding of this.#site.netcheck(signal)) response.write(`${JSON.stringify(finding)}\n`);
      response.end();
    } finally {
      this.#isChecking = false;
    }
  }
}

function refuse(response: ServerResponse, { status, message }: Refusal): void {
  sendJson(response, status, { code: "REFUSED", message });
}

function sendFile(response: ServerResponse, method: string | undefined, { type, bytes }: PageFile): void {
  if (method === "GET" || method === "HEAD") {
    response.writeHead(200, { "Content-Type": type, "Content-Length": bytes.length });
    response.end(method === "HEAD" ? undefined : bytes);
  } else {
    sendJson(response, 405, { code: "HTTP", message: "only GET" });
  }
}

/** The rest of a request that is not read must not wait in the connection. */
function sendJson(response: ServerResponse, status: number, value: object): void {
  if (status >= 400) response.setHeader("Connection", "close");
  response.writeHead(status, { "Content-Type": "application/json; charset=utf-8" });
  response.end(JSON.stringify(value));
}

function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const [status, code, message] = wordsOf(error);
  sendJson(response, status, { code, message });
}

/** An error as the page is told. What is not expected stays here. */
function wordsOf(error: unknown): [status: number, code: string, message: string] {
  if (error instanceof BadRequest) return [error.status, "HTTP", error.message];
  if (error instanceof MeshError) return [409, error.code, printable(error.message)];
  return [500, "FAILED", "it failed"];
}
