import { createServer, type Server, type Socket } from "node:net";
import { MeshError } from "../errors.js";
import type { MeshInfo, PingAnswer } from "../info.js";
import type { MembershipReply, MembershipRequest } from "../membership/requests.js";
import { claim } from "./claim.js";
import { linesOf } from "./lines.js";
import { MAX_REQUEST_BYTES, parseRequest, type Reply, type Request } from "./protocol.js";

/** The maximum number of connections. Further ones are closed at once. */
const MAX_CONNECTIONS = 16;

/** How long a request or the reading of a reply may take, in ms. Both sides are on the same machine. */
const PATIENCE_MS = 5000;

/**
 * The shortest pause between two messages to a watcher, in ms. The second value is the longest pause: bytes and round
 * trips change without an event.
 */
const WATCH_AT_MOST_EVERY_MS = 250;
const WATCH_AT_LEAST_EVERY_MS = 2000;

/** The part of a mesh that is controlled. {@link Mesh} implements it. */
export interface Controlled {
  info(): MeshInfo;
  /** Updates the result of {@link info}. */
  look(): Promise<void>;
  ping(publicKey: string, options?: { signal?: AbortSignal }): Promise<readonly PingAnswer[]>;
  membership(request: MembershipRequest): Promise<MembershipReply>;
  on(event: "peer" | "candidates", listener: () => void): unknown;
  off(event: "peer" | "candidates", listener: () => void): unknown;
}

export interface ControlOptions {
  /** The path of the socket. */
  readonly path: string;
  readonly mesh: Controlled;
  /** Called when a client wants the daemon to end. {@link ControlServer.close} tells the client the outcome. */
  readonly onDown: () => void;
}

/** The socket where the daemon answers the command. */
export class ControlServer {
  readonly #server: Server = createServer();
  readonly #options: ControlOptions;
  /** The clients that wait for the end of the daemon. */
  readonly #waiting = new Set<Socket>();
  readonly #sockets = new Set<Socket>();
  /** Fires when the server is closed, so that running requests end. */
  readonly #closing = new AbortController();
  #unclaim: () => Promise<void> = async () => {};

  private constructor(options: ControlOptions) {
    this.#options = options;
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on("connection", (socket) => void this.#serve(socket));
  }

  /** @throws {@link MeshError} `IN_USE`, `FILE`, `NOT_PERMITTED` */
  static async open(options: ControlOptions): Promise<ControlServer> {
    const control = new ControlServer(options);
    control.#unclaim = await claim(control.#server, options.path);
    control.#server.on("error", () => {});
    return control;
  }

  /**
   * Tells the waiting clients the outcome, and closes the server.
   * @param outcome - what was restored, or why that failed
   */
  async close(outcome: readonly string[] | Error): Promise<void> {
    this.#closing.abort();
    await this.#unclaim();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) {
      if (!this.#waiting.has(socket)) end(socket, undefined);
      else end(socket, outcome instanceof Error ? errorReply(outcome) : { is: "ended", putBack: outcome });
    }
    await closed;
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#waiting.delete(socket);
    });
    const tooSlow = setTimeout(() => socket.destroy(), PATIENCE_MS);
    try {
      const line = await firstLine(socket);
      clearTimeout(tooSlow);
      if (line === undefined) return void socket.destroy();
      const request = parseRequest(line);
      if (request === undefined)
        throw new MeshError(
          "INVALID_OPTION",
          "the daemon does not know this request: it may be of another version than the command",
        );
      // Further data from the client is ignored, but the end of the connection must be noticed.
      socket.resume();
      await this.#answer(socket, request);
    } catch (error) {
      end(socket, errorReply(error));
    } finally {
      clearTimeout(tooSlow);
    }
  }

  async #answer(socket: Socket, request: Request): Promise<void> {
    const { mesh } = this.#options;
    switch (request.ask) {
      case "status":
        await mesh.look();
        return end(socket, { is: "info", info: mesh.info() });
      case "watch":
        this.#waiting.add(socket);
        return this.#watch(socket);
      case "ping": {
        const { publicKey } = findPeer(mesh.info(), request.peer);
        const gone = new AbortController();
        socket.once("close", () => gone.abort());
        const signal = AbortSignal.any([gone.signal, this.#closing.signal]);
        const answers = await mesh.ping(publicKey, { signal });
        return end(socket, { is: "answers", peer: publicKey, answers });
      }
      case "membership":
        return end(socket, { is: "membership", reply: await mesh.membership(request.request) });
      case "down":
        this.#waiting.add(socket);
        return this.#options.onDown();
    }
  }

  /** Sends the current state whenever it changes. A slow reader does not get every state. */
  #watch(socket: Socket): void {
    const { mesh } = this.#options;
    const { signal } = this.#closing;
    let timer: NodeJS.Timeout | undefined;
    let tooSlow: NodeJS.Timeout | undefined;
    let sentAt = Number.NEGATIVE_INFINITY;
    let isStale = false;
    const send = (): void => {
      clearTimeout(timer);
      if (tooSlow !== undefined) {
        isStale = true;
        return;
      }
      isStale = false;
      sentAt = performance.now();
      timer = setTimeout(() => void mesh.look().then(send), WATCH_AT_LEAST_EVERY_MS);
      const isTaken = (() => {
        try {
          return socket.write(lineOf({ is: "info", info: mesh.info() }));
        } catch (error) {
          end(socket, errorReply(error));
          return true;
        }
      })();
      if (isTaken) return;
      tooSlow = setTimeout(() => socket.destroy(), PATIENCE_MS);
      socket.once("drain", () => {
        clearTimeout(tooSlow);
        tooSlow = undefined;
        if (isStale) soon();
      });
    };
    const soon = (): void => {
      clearTimeout(timer);
      timer = setTimeout(send, Math.max(0, sentAt + WATCH_AT_MOST_EVERY_MS - performance.now()));
    };
    const stop = (): void => {
      clearTimeout(timer);
      clearTimeout(tooSlow);
      mesh.off("peer", soon);
      mesh.off("candidates", soon);
      signal.removeEventListener("abort", stop);
    };
    mesh.on("peer", soon);
    mesh.on("candidates", soon);
    socket.once("close", stop);
    signal.addEventListener("abort", stop, { once: true });
    send();
  }
}

async function firstLine(socket: Socket): Promise<string | undefined> {
  const lines = linesOf(socket, MAX_REQUEST_BYTES);
  // Not `for await`: leaving such a loop would end the socket.
  return (await lines.next()).value ?? undefined;
}

/** The peer with this key or name, or the only peer whose key begins like this. @throws {@link MeshError} `NO_PEER` */
function findPeer({ peers, interface: name }: MeshInfo, wanted: string): MeshInfo["peers"][number] {
  const exact = peers.find((peer) => peer.publicKey === wanted || peer.name === wanted);
  if (exact !== undefined) return exact;
  const [found, ...more] = peers.filter(({ publicKey }) => publicKey.startsWith(wanted));
  if (found === undefined)
    throw new MeshError(
      "NO_PEER",
      `no peer of ${name} has the key or name ${wanted}: sidewire-mesh status shows them`,
    );
  if (more.length > 0)
    throw new MeshError(
      "NO_PEER",
      `${more.length + 1} peers of ${name} have a key that begins with ${wanted}: give more of it`,
    );
  return found;
}

function errorReply(error: unknown): Reply {
  const message = error instanceof Error ? error.message : String(error);
  return { is: "error", code: error instanceof MeshError ? error.code : "FAILED", message };
}

function lineOf(reply: Reply): string {
  return `${JSON.stringify(reply)}\n`;
}

/** Sends a last reply, if there is one, and closes the connection. A client that does not read it is disconnected. */
function end(socket: Socket, reply: Reply | undefined): void {
  if (socket.destroyed) return;
  const tooSlow = setTimeout(() => socket.destroy(), PATIENCE_MS);
  socket.once("close", () => clearTimeout(tooSlow));
  socket.resume();
  socket.end(reply === undefined ? "" : lineOf(reply), () => socket.destroy());
}
