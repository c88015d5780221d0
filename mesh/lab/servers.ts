/** The servers in the middle: MQTT brokers, STUN and TURN. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { find } from "../../test/support/find.js";
import { parseAddress } from "../src/ip/address.js";
import type { Namespace } from "./namespace.js";
import type { ServerAddress } from "./plan.js";
import { type LongRunning, until } from "./process.js";

const AEDES = fileURLToPath(new URL("../../test/support/aedes-process.mjs", import.meta.url));

/** The port of MQTT over TCP. */
const MQTT_PORT = 1883;

/** The port of STUN (RFC 8489). */
const STUN_PORT = 3478;

/** A broker in the middle, on an address of its own. */
export class LabBroker {
  readonly address: ServerAddress;
  readonly port: number = MQTT_PORT;
  readonly #start: () => Promise<LongRunning[]>;
  #processes: LongRunning[] = [];

  constructor(address: ServerAddress, start: () => Promise<LongRunning[]>) {
    this.address = address;
    this.#start = start;
  }

  async start(): Promise<void> {
    this.#processes = await this.#start();
  }

  /** Kills it. Connections are reset, and new ones refused. */
  async kill(): Promise<void> {
    await Promise.all(this.#processes.map((server) => server.kill()));
  }

  /** Starts it again. */
  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Stops it as if it hung, or lets it go on. */
  signal(name: "SIGSTOP" | "SIGCONT"): void {
    for (const server of this.#processes) server.signal(name);
  }
}

/** A broker that has still to be started: mosquitto, or aedes where that is missing. */
export function makeBroker(middle: Namespace, folder: string, address: ServerAddress): LabBroker {
  const hosts = [address.IPv4 ?? [], address.IPv6 ?? []].flat();
  const mosquitto = find("mosquitto");
  return new LabBroker(address, async () => {
    const servers =
      mosquitto === undefined
        ? hosts.map((host) => middle.spawn([process.execPath, AEDES, host, `${MQTT_PORT}`, "0"]))
        : [middle.spawn([mosquitto, "-c", mosquittoConfig(folder, hosts)])];
    await Promise.all(servers.map((server) => server.wrote(/running/)));
    return servers;
  });
}

function mosquittoConfig(folder: string, hosts: readonly string[]): string {
  const path = join(folder, `mosquitto-${hosts[0]?.replaceAll(":", "-")}.conf`);
  const lines = [
    "user root",
    "log_type information",
    "allow_anonymous true",
    "set_tcp_nodelay true",
    "max_queued_messages 0",
    ...hosts.map((host) => `listener ${MQTT_PORT} ${host}`),
  ];
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

/** The text of a brokers' file. */
export function brokersFileOf(brokers: readonly ServerAddress[]): string {
  const family = (name: "IPv4" | "IPv6"): Record<string, object> =>
    Object.fromEntries(
      brokers.flatMap((broker) => (broker[name] === undefined ? [] : [[broker[name], { port: MQTT_PORT }]])),
    );
  return `${JSON.stringify({ IPv4: family("IPv4"), IPv6: family("IPv6") }, null, 2)}\n`;
}

/** Starts coturn as a STUN server on all these addresses. */
export async function startStun(
  middle: Namespace,
  folder: string,
  addresses: readonly ServerAddress[],
): Promise<LongRunning> {
  return await startCoturn(middle, folder, addresses, "stun", ["--stun-only"]);
}

/** Who may use the TURN server. */
const TURN_USER = { username: "lab", password: "of coturn" } as const;

/** A TURN server in the middle, on an address of its own. */
export class LabTurn {
  readonly address: ServerAddress;
  readonly url: string;
  readonly username: string = TURN_USER.username;
  readonly password: string = TURN_USER.password;
  /** A file for `--turn-credentials`. */
  readonly credentialsFile: string;
  readonly #start: () => Promise<LongRunning>;
  #server: LongRunning | undefined;
  #before = "";

  constructor(middle: Namespace, folder: string, address: ServerAddress) {
    this.address = address;
    this.url = `turn:${stunName(address)[0]}`;
    this.credentialsFile = join(folder, "turn-credentials");
    const { username, password } = this;
    this.#start = async () => {
      writeFileSync(this.credentialsFile, `${username}\n${password}\n`, { mode: 0o600 });
      return await startCoturn(middle, folder, [address], "turn", [
        ...["--lt-cred-mech", "--realm", "lab", "--user", `${username}:${password}`, "--verbose"],
      ]);
    };
  }

  /** All that it has written, also before it was started again. */
  get log(): string {
    return this.#before + (this.#server?.log ?? "");
  }

  async start(): Promise<void> {
    this.#server = await this.#start();
  }

  /** Resolves once it has written something, since it was started last. */
  async wrote(pattern: RegExp, timeoutMs?: number): Promise<void> {
    await this.#server?.wrote(pattern, timeoutMs);
  }

  /** Kills it: it forgets all allocations, and tells nobody. */
  async kill(): Promise<void> {
    await this.#server?.kill();
    this.#before = this.log;
    this.#server = undefined;
  }

  /** Starts it again. */
  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }
}

async function startCoturn(
  middle: Namespace,
  folder: string,
  addresses: readonly ServerAddress[],
  name: string,
  options: readonly string[],
): Promise<LongRunning> {
  const hosts = addresses.flatMap(({ IPv4, IPv6 }) => [IPv4 ?? [], IPv6 ?? []].flat());
  const server = middle.spawn([
    "turnserver",
    // No file of the machine's own server, and none of its defaults.
    ...["-n", "--no-cli", "--no-tls", "--no-dtls", "--no-tcp", "--no-tcp-relay"],
    ...["--relay-threads", "1", "--log-file", "stdout", "--simple-log"],
    ...["--pidfile", join(folder, `${name}server.pid`), "--userdb", join(folder, `${name}db`)],
    ...["--listening-port", `${STUN_PORT}`],
    ...options,
    ...hosts.flatMap((host) => ["-L", host]),
  ]);
  // It does not say when it has its sockets. What is sent to one from then on waits for it.
  await until("turnserver", server, () => hosts.every((host) => isBound(server.pid, host, STUN_PORT)));
  return server;
}

/** Whether a UDP socket is bound to an address and a port, in the namespace of a process. */
function isBound(pid: number, host: string, port: number): boolean {
  const bytes = parseAddress(host) ?? new Uint8Array();
  const words = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.slice(4 * i, 4 * i + 4).reverse());
  const local = `${Buffer.concat(words).toString("hex")}:${port.toString(16).padStart(4, "0")}`.toUpperCase();
  const lines = readFileSync(`/proc/${pid}/net/${bytes.length === 4 ? "udp" : "udp6"}`, "utf8").split("\n");
  return lines.some((line) => line.trim().split(/\s+/)[1] === local);
}

export function stunName({ IPv4, IPv6 }: ServerAddress): string[] {
  return [
    IPv4 === undefined ? [] : `${IPv4}:${STUN_PORT}`,
    IPv6 === undefined ? [] : `[${IPv6}]:${STUN_PORT}`,
  ].flat();
}
