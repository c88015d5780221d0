import { createServer, type Server, type Socket } from "node:net";
import { MeshError } from "../errors.js";
import type { MeshInfo, PingAnswer } from "../info.js";
import type { MembershipReply, MembershipRequest } from "../membership/requests.js";
import { claim } from "./claim.js";
import { linesOf } from "./lines.js";
import { MAX_REQUEST_BYTES, parseRequest, type Reply, type Request } from "./protocol.js";

/** How many may ask at once; further ones are closed at once. */
const MAX_CONNECTIONS = 16;

/** How long a request may take to arrive, and a reply to be taken, ms: both are on the same machine. */
const PATIENCE_MS = 5000;

/** Whoever watches gets no more than so many, ms; and one at least so often, since bytes and round trips change too. */
const WATCH_AT_MOST_EVERY_MS = 250;
const WATCH_AT_LEAST_EVERY_MS = 2000;

/** What is asked of a mesh; {@link Mesh} is one. */
export interface Controlled {
  info(): MeshInfo;
  /** Makes {@link info} say what is so now. */
  look(): Promise<void>;
  ping(publicKey: string, options?: { signal?: AbortSignal }): Promise<readonly PingAnswer[]>;
  membership(request: MembershipRequest): Promise<MembershipReply>;
  on(event: "peer" | "candidates", listener: () => void): unknown;
  off(event: "peer" | "candidates", listener: () => void): unknown;
}

export interface ControlOptions {
  /** Where it listens. */
  readonly path: string;
  readonly mesh: Controlled;
  /** Somebody wants the daemon to end; {@link ControlServer.close} tells what came of it. */
  readonly onDown: () => void;
}

/** The socket at which the daemon answers the command. */
export class ControlServer {
  readonly #server: Server = createServer();
  readonly #options: ControlOptions;
  /** Those who are told when the daemon has ended. */
  readonly #waiting = new Set<Socket>();
  readonly #sockets = new Set<Socket>();
  /** Fires when it is closed: what is still being asked of the mesh ends. */
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
   * Tells those who wait for the end what came of it, and ends.
   * @param outcome - what was put back, or why it could not be
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
      // What else it says is of no interest, but its end is.
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

  /** Sends what is known whenever it changes; to whom takes it slowly, not all of it. */
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
  // Not `for await`, which would end the socket with the loop.
  return (await lines.next()).value ?? undefined;
}

/** The one peer with this key, with a key that begins so, or with this name. @throws {@link MeshError} `NO_PEER` */
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

/** Sends a last word, if there is one, and closes: by force when it is not taken. */
function end(socket: Socket, reply: Reply | undefined): void {
  if (socket.destroyed) return;
  const tooSlow = setTimeout(() => socket.destroy(), PATIENCE_MS);
  socket.once("close", () => clearTimeout(tooSlow));
  socket.resume();
  socket.end(reply === undefined ? "" : lineOf(reply), () => socket.destroy());
}
