import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.js";
import { launch, retrying, type ServerProcess } from "./server-process.js";

/** Where the programs of RabbitMQ are. */
export interface RabbitmqPrograms {
  readonly server: string;
  /** Erlang's port mapper. */
  readonly epmd: string;
}

/** Ports by transport. */
export interface RabbitmqPorts {
  readonly mqtt: number;
  readonly mqtts: number;
  readonly ws: number;
  readonly wss: number;
}

/** A RabbitMQ node of the test's own, with its MQTT plugins. */
export interface Rabbitmq {
  readonly host: string;
  readonly version: string;
  readonly ports: RabbitmqPorts;
  kill(): Promise<void>;
  /** Starts it again on the same ports; takes as long as a start, some ten seconds. */
  restart(): Promise<void>;
}

export interface RabbitmqOptions {
  readonly host?: string;
  /** Paths of the certificate authority, a certificate and its key. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
}

/**
 * Starts a RabbitMQ node on free ports, with a folder, a cookie and a port mapper of its own, so that it
 * meets no other node. Clients come in without a name, or as `guest` with the password `guest`.
 */
export async function startRabbitmq(
  programs: RabbitmqPrograms,
  options: RabbitmqOptions,
): Promise<Rabbitmq & AsyncDisposable> {
  const { host = "127.0.0.1", tls } = options;
  const folder = mkdtempSync(join(tmpdir(), "sidewire-rabbitmq-"));
  const node = `sidewire-${process.pid}@localhost`;
  for (const name of ["home", "mnesia", "log"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "plugins"), "[rabbitmq_mqtt,rabbitmq_web_mqtt].\n");

  const mapper = await retrying(async () => {
    const port = await freePort("127.0.0.1");
    const args = ["-port", `${port}`, "-address", "127.0.0.1", "-debug", "-debug"];
    return {
      port,
      process: await launch({ command: programs.epmd, args, ready: /entering the main select/ }),
    };
  });
  const start = (distribution: number): Promise<ServerProcess> =>
    launch({
      command: programs.server,
      args: [],
      ready: /Server startup complete/,
      env: {
        PATH: process.env.PATH,
        HOME: join(folder, "home"),
        // Makes the script become the server, so that it is this very process that is ended.
        RUNNING_UNDER_SYSTEMD: "true",
        RABBITMQ_CONF_ENV_FILE: "/dev/null",
        RABBITMQ_NODENAME: node,
        RABBITMQ_MNESIA_BASE: join(folder, "mnesia"),
        RABBITMQ_LOG_BASE: join(folder, "log"),
        RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "plugins"),
        RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq.conf"),
        RABBITMQ_DIST_PORT: `${distribution}`,
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
        ERL_EPMD_PORT: `${mapper.port}`,
        ERL_EPMD_ADDRESS: "127.0.0.1",
      },
    });

  let server: ServerProcess | undefined;
  const end = async (): Promise<void> => {
    await server?.kill();
    await mapper.process.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    let ports: RabbitmqPorts = { mqtt: 0, mqtts: 0, ws: 0, wss: 0 };
    let distribution = 0;
    server = await retrying(async () => {
      const free = await Promise.all(Array.from({ length: 5 }, () => freePort(host)));
      const [mqtt = 0, mqtts = 0, ws = 0, wss = 0] = free;
      distribution = free[4] ?? 0;
      ports = { mqtt, mqtts, ws, wss };
      writeFileSync(join(folder, "rabbitmq.conf"), config(host, ports, tls));
      return await start(distribution);
    });
    return {
      host,
      version: /Starting RabbitMQ (\S+)/.exec(server.log)?.[1] ?? "unknown",
      ports,
      kill: async () => server?.kill(),
      restart: async () => {
        await server?.kill();
        server = await start(distribution);
      },
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

function config(host: string, ports: RabbitmqPorts, { ca, cert, key }: RabbitmqOptions["tls"]): string {
  const files = { cacertfile: ca, certfile: cert, keyfile: key };
  const certificate = (prefix: string): string[] =>
    Object.entries(files).map(([name, path]) => `${prefix}.${name} = ${path}`);
  return [
    "listeners.tcp = none",
    "log.file = false",
    "log.console = true",
    "mqtt.allow_anonymous = true",
    `mqtt.listeners.tcp.1 = ${host}:${ports.mqtt}`,
    `mqtt.listeners.ssl.1 = ${host}:${ports.mqtts}`,
    ...certificate("ssl_options"),
    `web_mqtt.tcp.listener = ${host}:${ports.ws}`,
    `web_mqtt.ssl.ip = ${host}`,
    `web_mqtt.ssl.port = ${ports.wss}`,
    ...certificate("web_mqtt.ssl"),
    "",
  ].join("\n");
}
