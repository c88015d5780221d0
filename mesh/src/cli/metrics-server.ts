import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIP } from "node:net";
import { MeshError } from "../errors.js";
import type { MeshInfo } from "../info.js";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";
import { scopeOf } from "../ip/scope.js";
import { metricsText } from "./metrics-text.js";

/** The maximum number of connections at the same time. */
const MAX_CONNECTIONS = 16;

/** The time for a client to send the whole request, and the time to read the answer, in ms. */
const PATIENCE_MS = 5000;

/** The maximum size of the headers of a request, in bytes. */
const MAX_REQUEST_BYTES = 8192;

/** The mesh whose metrics are served. */
export interface MeasuredMesh {
  info(): MeshInfo;
  look(): Promise<void>;
}

/**
 * Serves metrics over HTTP, at one address and the path `/metrics`. On a loopback address, the server only answers
 * requests whose `Host` is an address or `localhost`. Otherwise a web page could read the metrics by a name of its own
 * for 127.0.0.1 (DNS rebinding).
 */
export class MetricsServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #mesh: MeasuredMesh;
  readonly #isLoopback: boolean;

  private constructor({ address }: Endpoint, mesh: MeasuredMesh) {
    this.#mesh = mesh;
    const bytes = parseAddress(address);
    this.#isLoopback = bytes !== undefined && scopeOf(bytes) === "loopback";
    this.#server = createServer(
      {
        maxHeaderSize: MAX_REQUEST_BYTES,
        requestTimeout: PATIENCE_MS,
        headersTimeout: PATIENCE_MS,
        connectionsCheckingInterval: 1000,
      },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on("clientError", (_, socket) => socket.destroy());
  }

  /** @throws {@link MeshError} `COMMAND_FAILED` when the address cannot be used */
  static async open(place: Endpoint, mesh: MeasuredMesh): Promise<MetricsServer> {
    const metrics = new MetricsServer(place, mesh);
    await new Promise<void>((resolve, reject) => {
      metrics.#server.once("error", (error) =>
        reject(
          new MeshError("COMMAND_FAILED", `--metrics ${formatEndpoint(place)}: ${error.message}`, {
            cause: error,
          }),
        ),
      );
      metrics.#server.listen(place.port, place.address, resolve);
    });
    metrics.#server.on("error", () => {});
    return metrics;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setTimeout(PATIENCE_MS, () => response.destroy());
    response.setHeader("Connection", "close");
    try {
      const [status, text] = await this.#textFor(request);
      response.writeHead(status, {
        "Content-Type": status === 200 ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain",
        "X-Content-Type-Options": "nosniff",
      });
      response.end(request.method === "HEAD" ? undefined : text);
    } catch {
      // The mesh was closed meanwhile.
      response.destroy();
    }
  }

  async #textFor({ method, url = "", headers }: IncomingMessage): Promise<[status: number, text: string]> {
    if (method !== "GET" && method !== "HEAD") return [405, "only GET\n"];
    if (this.#isLoopback && !isLocalHost(headers.host ?? "")) return [403, "not by this name\n"];
    if (url.split("?")[0] !== "/metrics") return [404, "only /metrics\n"];
    await this.#mesh.look();
    return [200, metricsText(this.#mesh.info())];
  }
}

/** Whether the `Host` of a request is an address or `localhost`, with a port or without. */
function isLocalHost(host: string): boolean {
  const name = host.replace(/:\d{1,5}$/, "").replace(/^\[(.*)\]$/, "$1");
  return name === "" || name.toLowerCase() === "localhost" || isIP(name) > 0;
}
