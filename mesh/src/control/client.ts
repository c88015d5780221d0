import { connect, type Socket } from "node:net";
import { MeshError, type MeshErrorCode } from "../errors.js";
import type { MeshInfo, PingAnswer } from "../info.js";
import type { MembershipReply, MembershipRequest } from "../membership/requests.js";
import { linesOf } from "./lines.js";
import { MAX_REPLY_BYTES, parseReply, type Reply, type Request } from "./protocol.js";
import { interfacesHere, interfacesWithSocket, socketPath } from "./socket-path.js";

/** A client of a daemon. Each request has a connection of its own. */
export class ControlClient {
  /** The interface that the daemon manages. */
  readonly interface: string;
  readonly #path: string;

  private constructor(name: string, path: string) {
    this.interface = name;
    this.#path = path;
  }

  /**
   * Finds the daemon of an interface. Without a name, finds the only daemon in this network namespace.
   * @throws {@link MeshError} `NO_DAEMON`, `NOT_PERMITTED`, `INVALID_OPTION`
   */
  static async find(folder: string, name: string | undefined): Promise<ControlClient> {
    if (name !== undefined) {
      return new ControlClient(name, socketPath(folder, name));
    }
    const here = await interfacesHere();
    const all = await interfacesWithSocket(folder).catch((error: unknown) => {
      if (codeOf(error) === "ENOENT") return [];
      throw notPermitted(error);
    });
    const [found, ...more] = all.filter((one) => here.has(one));
    if (found === undefined)
      throw new MeshError(
        "NO_DAEMON",
        "no daemon looks after an interface here: start one with sidewire-mesh up wg0",
      );
    if (more.length > 0)
      throw new MeshError("INVALID_OPTION", `name one of the interfaces: ${[found, ...more].join(", ")}`);
    return new ControlClient(found, socketPath(folder, found));
  }

  /** @throws {@link MeshError} `NO_DAEMON`, `NOT_PERMITTED`, `TIMEOUT` */
  async status(signal?: AbortSignal): Promise<MeshInfo> {
    for await (const reply of this.#ask({ ask: "status" }, signal))
      if (reply.is === "info") return reply.info;
    throw this.#brokenOff();
  }

  /** Everything that the daemon knows, now and after each change, until the daemon ends. */
  async *watch(signal?: AbortSignal): AsyncGenerator<MeshInfo> {
    for await (const reply of this.#ask({ ask: "watch" }, signal)) {
      if (reply.is === "info") yield reply.info;
      else if (reply.is === "ended") return;
    }
    throw this.#brokenOff();
  }

  /**
   * Asks a peer once on every path.
   * @param peer - the peer's key, the beginning of the key, or the peer's name
   * @throws {@link MeshError} as {@link status}, and `NO_PEER`
   */
  async ping(
    peer: string,
    signal?: AbortSignal,
  ): Promise<{ readonly peer: string; readonly answers: readonly PingAnswer[] }> {
    for await (const reply of this.#ask({ ask: "ping", peer }, signal))
      if (reply.is === "answers") return reply;
    throw this.#brokenOff();
  }

  /**
   * Asks about the network, or changes it.
   * @throws {@link MeshError} as {@link status}, and `NO_NETWORK`, `NO_MEMBER`, `NOT_ADMIN`, `CONFLICT`, `REFUSED`
   */
  async membership(request: MembershipRequest, signal?: AbortSignal): Promise<MembershipReply> {
    for await (const reply of this.#ask({ ask: "membership", request }, signal))
      if (reply.is === "membership") return reply.reply;
    throw this.#brokenOff();
  }

  /** Ends the daemon. @returns what the daemon has restored, one sentence each */
  async down(signal?: AbortSignal): Promise<readonly string[]> {
    for await (const reply of this.#ask({ ask: "down" }, signal))
      if (reply.is === "ended") return reply.putBack;
    throw this.#brokenOff();
  }

  async *#ask(request: Request, signal: AbortSignal | undefined): AsyncGenerator<Reply> {
    signal?.throwIfAborted();
    const socket = await this.#connect();
    const stop = (): void => void socket.destroy(abortError(signal));
    signal?.addEventListener("abort", stop, { once: true });
    try {
      socket.write(`${JSON.stringify(request)}\n`);
      for await (const line of linesOf(socket, MAX_REPLY_BYTES)) {
        const reply = parseReply(line);
        if (reply === undefined)
          throw new MeshError(
            "COMMAND_FAILED",
            `what the daemon of ${this.interface} says is not understood: it may be of another version than this command; start it anew`,
          );
        if (reply.is === "error") throw new MeshError(codeFrom(reply.code), reply.message);
        yield reply;
      }
    } catch (error) {
      if (error instanceof MeshError) throw error;
      signal?.throwIfAborted();
      throw this.#brokenOff(error);
    } finally {
      signal?.removeEventListener("abort", stop);
      socket.destroy();
    }
  }

  async #connect(): Promise<Socket> {
    const socket = connect(this.#path);
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("connect", resolve);
        socket.once("error", reject);
      });
      return socket;
    } catch (error) {
      const code = codeOf(error);
      if (code === "EACCES" || code === "EPERM") throw notPermitted(error);
      const name = this.interface;
      throw new MeshError(
        "NO_DAEMON",
        `no daemon looks after ${name}: start one with sidewire-mesh up ${name}, or systemctl start sidewire-mesh@${name}`,
        { cause: error },
      );
    }
  }

  #brokenOff(cause?: unknown): MeshError {
    return new MeshError(
      "NO_DAEMON",
      `the daemon of ${this.interface} broke off: it has ended, or too many ask it at once`,
      { cause },
    );
  }
}

function notPermitted(cause: unknown): MeshError {
  return new MeshError(
    "NOT_PERMITTED",
    "only root and the user of the daemon may talk to it: try it with sudo",
    {
      cause,
    },
  );
}

function abortError(signal: AbortSignal | undefined): Error {
  return new MeshError("ABORTED", "aborted", { cause: signal?.reason });
}

const CODES: ReadonlySet<string> = new Set<MeshErrorCode>([
  ...(["NO_NETWORK", "NO_MEMBER", "NOT_ADMIN", "CONFLICT", "REFUSED"] as const),
  ...(["INVALID_OPTION", "NO_PEER", "CLOSED", "TIMEOUT", "ABORTED"] as const),
  ...(["NOT_PERMITTED", "MISSING_PROGRAM", "FILE"] as const),
]);

function isCode(code: string): code is MeshErrorCode {
  return CODES.has(code);
}

/** An unknown code comes from a daemon of a later version. */
function codeFrom(code: string): MeshErrorCode {
  return isCode(code) ? code : "COMMAND_FAILED";
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
