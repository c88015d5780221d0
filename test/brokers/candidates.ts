import { pbkdf2Sync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import manifest from "../../package.json" with { type: "json" };
import type { BrokerEntry, Transport } from "../../src/index.js";
import { keepBroker } from "../support/broker-process.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { freePort } from "../support/free-port.js";
import type { RunMosquitto, StartNats, StartRabbitmq } from "../support/needs.js";
import { retrying, type ServerProcess } from "../support/server-process.js";

/** A broker that runs, on 127.0.0.1, with all the transports it has. */
export interface RunningBroker extends AsyncDisposable {
  readonly version: string;
  /** The port of each transport. */
  readonly ports: Readonly<Record<Transport, number>>;
  kill(): Promise<void>;
  /** Starts it again, on the same ports. */
  restart(): Promise<void>;
}

/** A kind of broker that the conversation is held over. */
export interface Candidate {
  readonly name: string;
  /** Where its WebSocket listens. */
  readonly path: string;
  /** Who may log in besides those who say no name. */
  readonly user: { readonly username: string; readonly password: string };
  start(): Promise<RunningBroker>;
}

const tlsFile = (name: string): string => fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url));
/** The files that brokers are given for TLS. */
export const files: { readonly ca: string; readonly cert: string; readonly key: string } = {
  ca: tlsFile("ca.pem"),
  cert: tlsFile("server.pem"),
  key: tlsFile("server.key"),
};

/** The certificate authority that signed the brokers' certificate. */
export const ca: string = readFileSync(files.ca, "utf8");

const user = { username: "ann", password: "secret" };

export const mosquitto = (run: RunMosquitto): Candidate => ({
  name: "mosquitto",
  path: "/mqtt",
  user,
  async start() {
    const folder = mkdtempSync(join(tmpdir(), "sidewire-users-"));
    const users = join(folder, "users");
    writeFileSync(users, mosquittoUser(user));
    const certificate = [`certfile ${files.cert}`, `keyfile ${files.key}`];
    const [broker, secure] = await retrying(async () => {
      const [mqtts, wss] = [await freePort("127.0.0.1"), await freePort("127.0.0.1")];
      const start = (mqtt: number, ws: number): Promise<ServerProcess> =>
        run(
          [
            ...["allow_anonymous true", `password_file ${users}`, "set_tcp_nodelay true"],
            `listener ${mqtt} 127.0.0.1`,
            ...[`listener ${mqtts} 127.0.0.1`, ...certificate],
            ...[`listener ${ws} 127.0.0.1`, "protocol websockets"],
            ...[`listener ${wss} 127.0.0.1`, "protocol websockets", ...certificate],
          ].join("\n"),
        );
      return [await keepBroker("127.0.0.1", start), { mqtts, wss }] as const;
    });
    return {
      version: /version (\S+)/.exec(broker.log)?.[1] ?? "unknown",
      ports: { mqtt: broker.port, ws: broker.webPort, ...secure },
      kill: () => broker.kill(),
      restart: () => broker.restart(),
      [Symbol.asyncDispose]: async () => {
        await broker[Symbol.asyncDispose]();
        rmSync(folder, { recursive: true });
      },
    };
  },
});

export const rabbitmq = (start: StartRabbitmq): Candidate => ({
  name: "RabbitMQ",
  path: "/ws",
  user: { username: "guest", password: "guest" },
  start: () => start({ tls: files }),
});

export const nats = (start: StartNats): Candidate => ({
  name: "NATS",
  path: "/mqtt",
  user,
  async start() {
    // A server speaks either with TLS or without.
    const [plain, secure] = [await start({ user }), await start({ user, tls: files })];
    const both = [plain, secure];
    return {
      version: plain.version,
      ports: { mqtt: plain.port, ws: plain.webPort, mqtts: secure.port, wss: secure.webPort },
      kill: async () => void (await Promise.all(both.map((server) => server.kill()))),
      restart: async () => void (await Promise.all(both.map((server) => server.restart()))),
      [Symbol.asyncDispose]: async () => {
        await Promise.all(both.map((server) => server[Symbol.asyncDispose]()));
      },
    };
  },
});

export const aedes: Candidate = {
  name: "aedes",
  path: "/mqtt",
  user,
  async start() {
    const tls = { cert: readFileSync(files.cert, "utf8"), key: readFileSync(files.key, "utf8") };
    const listen = async (transport: Transport, port = 0) => {
      const broker = await startEmbeddedBroker("127.0.0.1", port, { transport, tls });
      broker.aedes.authenticate = (_client, username, password, done) =>
        done(
          null,
          username === undefined || (username === user.username && password?.toString() === user.password),
        );
      return broker;
    };
    const listenOn = async (ports: Partial<Record<Transport, number>>) => ({
      mqtt: await listen("mqtt", ports.mqtt),
      mqtts: await listen("mqtts", ports.mqtts),
      ws: await listen("ws", ports.ws),
      wss: await listen("wss", ports.wss),
    });
    let brokers = await listenOn({});
    const { mqtt, mqtts, ws, wss } = brokers;
    const ports = { mqtt: mqtt.port, mqtts: mqtts.port, ws: ws.port, wss: wss.port };
    const kill = async (): Promise<void> =>
      void (await Promise.all(Object.values(brokers).map((broker) => broker.close())));
    return {
      version: manifest.devDependencies.aedes,
      ports,
      kill,
      restart: async () => {
        await kill();
        brokers = await listenOn(ports);
      },
      [Symbol.asyncDispose]: kill,
    };
  },
};

/** What a pool says of a broker that is used over one transport alone. */
export function entryOf({ path }: Candidate, { ports }: RunningBroker, transport: Transport): BrokerEntry {
  return entryAt(transport, ports[transport], path);
}

/** An entry with one port. */
export function entryAt(transport: Transport, port: number, path: string): BrokerEntry {
  const name = ({ mqtt: "port", mqtts: "tls", ws: "ws", wss: "wss" } as const)[transport];
  return { [name]: port, ...(path === "/mqtt" ? {} : { path }) };
}

/** A line of mosquitto's password file: PBKDF2 with SHA-512, as mosquitto_passwd writes it. */
export function mosquittoUser({ username, password }: Candidate["user"]): string {
  const salt = Buffer.alloc(12, 7);
  const hash = pbkdf2Sync(password, salt, 101, 64, "sha512");
  return `${username}:$7$101$${salt.toString("base64")}$${hash.toString("base64")}\n`;
}
