import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { generate, type Packet, parser } from "mqtt-packet";

/** Who sent a packet. */
export type Side = "client" | "broker";

/** The rest of a packet's way. */
export interface Passage {
  /** Sends it on: now or later, changed, more than once, or never. What is late may be overtaken. */
  pass(packet: Packet, delayMs?: number): void;
  /** Ends the connection, after what was passed before. */
  hangUp(): void;
}

/** What becomes of each MQTT packet. */
export type Rule = (packet: Packet, from: Side, passage: Passage) => void;

/** Stands between clients and a broker, and is as bad a network as the test wants. */
export interface TcpProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** How many connections there are now. */
  readonly connections: number;
  /** Passes nothing any more, in either direction; new connections are taken and hang likewise. */
  stall(): void;
  /** Passes what has waited, and everything from now on. */
  resume(): void;
  /** Resets every connection. */
  cut(): void;
  /** While true, new connections are reset. */
  refusing: boolean;
  /**
   * Leaves the present connections half open: the broker's side is gone, the client's hears nothing
   * of it, either ever or until it writes. New connections are served.
   */
  forget(clientLearns: "never" | "on writing"): void;
}

/** Starts a proxy on a loopback address, on a free port. */
export async function startProxy(
  host: string,
  broker: { readonly host: string; readonly port: number },
  rule?: Rule,
): Promise<TcpProxy> {
  const connections = new Set<Connection>();
  /** Half-open ones that only the client believes in. */
  const ghosts = new Set<Socket>();
  let stalled = false;
  let refusing = false;

  const server: Server = createServer((client) => {
    client.on("error", () => {});
    if (refusing) {
      client.resetAndDestroy();
      return;
    }
    const connection = new Connection(client, connect(broker.port, broker.host), rule);
    connections.add(connection);
    client.once("close", () => connections.delete(connection));
    if (stalled) connection.stall();
  });
  server.listen(0, host);
  await once(server, "listening");

  return {
    host,
    // A TCP server's address is an AddressInfo once it is listening.
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections.size;
    },
    stall() {
      stalled = true;
      for (const connection of connections) connection.stall();
    },
    resume() {
      stalled = false;
      for (const connection of connections) connection.resume();
    },
    cut() {
      for (const connection of connections) connection.reset();
      for (const ghost of ghosts) ghost.resetAndDestroy();
    },
    get refusing() {
      return refusing;
    },
    set refusing(value) {
      refusing = value;
    },
    forget(clientLearns) {
      for (const connection of connections) {
        const client = connection.abandon();
        connections.delete(connection);
        ghosts.add(client);
        client.once("close", () => ghosts.delete(client));
        if (clientLearns === "never") continue;
        client.on("data", () => client.resetAndDestroy());
        client.resume();
      }
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const connection of connections) connection.reset();
      for (const ghost of ghosts) ghost.destroy();
      await closed;
    },
  };
}

/** One client and its connection to the broker. */
class Connection {
  readonly #client: Socket;
  readonly #broker: Socket;
  readonly #late = new Set<ReturnType<typeof setTimeout>>();
  #abandoned = false;

  constructor(client: Socket, broker: Socket, rule: Rule | undefined) {
    this.#client = client;
    this.#broker = broker;
    for (const socket of [client, broker]) {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.once("close", () => this.#end());
    }
    this.#carry(client, broker, "client", rule);
    this.#carry(broker, client, "broker", rule);
  }

  stall(): void {
    this.#client.pause();
    this.#broker.pause();
  }

  resume(): void {
    this.#client.resume();
    this.#broker.resume();
  }

  reset(): void {
    this.#client.resetAndDestroy();
  }

  /** Lets go of the client's socket, which stays open and unread. */
  abandon(): Socket {
    this.#abandoned = true;
    this.#client.removeAllListeners("data");
    this.#client.pause();
    this.#end();
    return this.#client;
  }

  #carry(from: Socket, to: Socket, side: Side, rule: Rule | undefined): void {
    const write = (bytes: Uint8Array): void => {
      if (to.writable) to.write(bytes);
    };
    if (rule === undefined) {
      from.on("data", write);
      return;
    }
    const passage: Passage = {
      pass: (packet, delayMs = 0) => {
        const bytes = generate(packet);
        if (delayMs === 0) {
          write(bytes);
          return;
        }
        const timer = setTimeout(() => {
          this.#late.delete(timer);
          write(bytes);
        }, delayMs);
        this.#late.add(timer);
      },
      hangUp: () => {
        this.#client.end();
        this.#broker.end();
      },
    };
    const packets = parser({ protocolVersion: 4 });
    packets.on("packet", (packet: Packet) => rule(packet, side, passage));
    packets.on("error", () => this.reset());
    from.on("data", (chunk: Buffer) => packets.parse(chunk));
  }

  #end(): void {
    for (const timer of this.#late) clearTimeout(timer);
    this.#late.clear();
    this.#broker.destroy();
    if (!this.#abandoned) this.#client.destroy();
  }
}

/** A broker that loses a share of the messages that pass it. */
export function loses(share: number, random: () => number): Rule {
  return (packet, from, { pass }) => {
    if (isDelivery(packet, from) && random() < share) return;
    pass(packet);
  };
}

/** A broker that delivers every message twice, the second time a moment later. */
export function repeats(laterMs: () => number): Rule {
  return (packet, from, { pass }) => {
    pass(packet);
    if (isDelivery(packet, from)) pass(packet, laterMs());
  };
}

/** A broker that delivers each message late, by a time of its own, and so in the wrong order. */
export function delays(byMs: () => number): Rule {
  return (packet, from, { pass }) => pass(packet, isDelivery(packet, from) ? byMs() : 0);
}

/** A broker that is far away: every packet takes this long, in either direction. */
export function isFar(oneWayMs: number): Rule {
  return (packet, _from, { pass }) => pass(packet, oneWayMs);
}

/** A broker that takes a publish and hangs up. */
export const hangsUpOnPublish: Rule = (packet, from, { pass, hangUp }) => {
  pass(packet);
  if (packet.cmd === "publish" && from === "client") hangUp();
};

/** A broker that answers a CONNECT with this return code, and hangs up. */
export function refusesWith(returnCode: number): Rule {
  return (packet, _from, { pass, hangUp }) => {
    if (packet.cmd !== "connack") {
      pass(packet);
      return;
    }
    pass({ ...packet, returnCode, sessionPresent: false });
    hangUp();
  };
}

/** A broker that answers a SUBSCRIBE with this: a lower QoS, or 128 for no. */
export function grants(qos: 0 | 128): Rule {
  return (packet, _from, { pass }) => pass(packet.cmd === "suback" ? { ...packet, granted: [qos] } : packet);
}

/** A broker that takes connections and never says anything. */
export const saysNothing: Rule = (packet, from, { pass }) => {
  if (from === "client") pass(packet);
};

function isDelivery(packet: Packet, from: Side): boolean {
  return packet.cmd === "publish" && from === "broker";
}
