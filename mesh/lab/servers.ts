/** The servers in the middle: MQTT brokers, and STUN. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { find } from "../../test/support/find.js";
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
  const hosts = addresses.flatMap(({ IPv4, IPv6 }) => [IPv4 ?? [], IPv6 ?? []].flat());
  const server = middle.spawn([
    "turnserver",
    // No file of the machine's own server, and none of its defaults.
    ...["-n", "--stun-only", "--no-cli", "--no-tls", "--no-dtls", "--no-tcp", "--no-tcp-relay"],
    ...["--relay-threads", "1", "--log-file", "stdout", "--simple-log"],
    ...["--pidfile", join(folder, "turnserver.pid"), "--userdb", join(folder, "turndb")],
    ...["--listening-port", `${STUN_PORT}`],
    ...hosts.flatMap((host) => ["-L", host]),
  ]);
  // It does not say when it has its sockets. What is sent to one from then on waits for it.
  await until("turnserver", server, () => udpSockets(server.pid, STUN_PORT) >= hosts.length);
  return server;
}

/** How many UDP sockets are bound to a port, in the namespace of a process. */
function udpSockets(pid: number, port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return ["udp", "udp6"]
    .flatMap((file) => readFileSync(`/proc/${pid}/net/${file}`, "utf8").split("\n"))
    .filter((line) => line.trim().split(/\s+/)[1]?.endsWith(suffix)).length;
}

export function stunName({ IPv4, IPv6 }: ServerAddress): string[] {
  return [
    IPv4 === undefined ? [] : `${IPv4}:${STUN_PORT}`,
    IPv6 === undefined ? [] : `[${IPv6}]:${STUN_PORT}`,
  ].flat();
}
