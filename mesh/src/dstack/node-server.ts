import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { InterfaceAddress } from "../device/create.js";
import { MeshError } from "../errors.js";
import type { MeshInfo } from "../info.js";
import { type AddressBytes, formatAddress, parseAddress } from "../ip/address.js";
import type { Endpoint } from "../ip/endpoint.js";
import { contains, parsePrefix } from "../ip/prefix.js";
import { nodeFile, publishedPlace } from "./node-file.js";

/** The maximum number of connections at the same time. */
const MAX_CONNECTIONS = 64;

/** The time for a client to send the whole request, and the time to read the answer, in ms. */
const PATIENCE_MS = 5000;

/** The maximum size of the headers of a request, in bytes. A gateway may add some. */
const MAX_REQUEST_BYTES = 16_384;

/** What is published. */
export interface PublishedNode {
  info(): Pick<MeshInfo, "publicKey" | "candidates" | "peers">;
  /** The own address in the overlay, and the overlay as its prefix. */
  own(): InterfaceAddress | undefined;
  /** The time, in Unix ms. */
  getTime(): number;
}

/**
 * Serves two files over HTTP: `/node.json` with the key and the place of this node, to everybody; and `/test`, to those
 * who come through the tunnel.
 */
export class NodeServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #node: PublishedNode;
  /** The last known place. While no peer needs it, no STUN server is asked, and it stays as it is. */
  #place: Endpoint | undefined;

  private constructor(node: PublishedNode) {
    this.#node = node;
    this.#server = createServer(
      {
        maxHeaderSize: MAX_REQUEST_BYTES,
        requestTimeout: PATIENCE_MS,
        headersTimeout: PATIENCE_MS,
        connectionsCheckingInterval: 1000,
      },
      (request, response) => this.#answer(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on("clientError", (_, socket) => socket.destroy());
  }

  /** Listens on a port of all addresses. @throws {@link MeshError} `COMMAND_FAILED` when the port cannot be used */
  static async open(port: number, node: PublishedNode): Promise<NodeServer> {
    const server = new NodeServer(node);
    await new Promise<void>((resolve, reject) => {
      server.#server.once("error", (error) =>
        reject(new MeshError("COMMAND_FAILED", `--publish ${port}: ${error.message}`, { cause: error })),
      );
      server.#server.listen(port, resolve);
    });
    server.#server.on("error", () => {});
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.setTimeout(PATIENCE_MS, () => response.destroy());
    response.setHeader("Connection", "close");
    const { method = "", url = "" } = request;
    try {
      const found = this.#contentOf(url.split("?")[0] ?? "", request.socket);
      const [status, content] =
        method !== "GET" && method !== "HEAD"
          ? [405, { error: "only GET" }]
          : [found === undefined ? 404 : 200, found ?? { error: "not found" }];
      response.writeHead(status, {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
      });
      response.end(method === "HEAD" ? undefined : `${JSON.stringify(content)}\n`);
    } catch {
      // The mesh was closed meanwhile.
      response.destroy();
    }
  }

  #contentOf(path: string, { localAddress, remoteAddress }: Socket): object | undefined {
    if (path === "/node.json") {
      const { publicKey, candidates } = this.#node.info();
      this.#place = publishedPlace(candidates) ?? this.#place;
      return nodeFile(publicKey, this.#place);
    }
    const own = this.#node.own();
    if (path !== "/test" || own === undefined) return undefined;
    // An IPv4 address has a form of IPv6 here.
    const [bytes, source] = [parseAddress(localAddress ?? ""), parseAddress(remoteAddress ?? "")];
    if (bytes === undefined || formatAddress(bytes) !== own.address) return undefined;
    if (source === undefined || !this.#isInTunnel(source, own)) return undefined;
    const time = new Date(this.#node.getTime()).toISOString().replace("Z", "+00:00");
    return { wg_ip: `${own.address}/${bytes.length * 8}`, time };
  }
  /**
   * Whether an address is this host itself, or one of a peer in the overlay. A neighbour on the LAN can send to the own
   * address in the tunnel, too, because Linux accepts a packet for any of its addresses on every network card.
   */
  #isInTunnel(source: AddressBytes, { address, prefix: overlay }: InterfaceAddress): boolean {
    if (formatAddress(source) === address) return true;
    // A peer may have all of the internet as its allowed IPs, and the LAN with it.
    if (!contains(overlay, source)) return false;
    return this.#node.info().peers.some(({ allowedIps }) =>
      allowedIps.some((one) => {
        const prefix = parsePrefix(one);
        return prefix !== undefined && contains(prefix, source);
      }),
    );
  }
}
