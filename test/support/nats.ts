import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.js";
import { launch, retrying, type ServerProcess } from "./server-process.js";

/** A nats-server process of the test's own that speaks MQTT. */
export interface Nats {
  readonly host: string;
  readonly version: string;
  /** MQTT over TCP, or over TLS where it was given a certificate. */
  readonly port: number;
  /** MQTT over WebSocket, at `/mqtt`, with TLS likewise. */
  readonly webPort: number;
  kill(): Promise<void>;
  /** Starts it again on the same ports. */
  restart(): Promise<void>;
}

export interface NatsOptions {
  readonly host?: string;
  /** Paths of a certificate and its key: it speaks TLS then, and nothing else. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Who may log in besides those who say no name. */
  readonly user?: { readonly username: string; readonly password: string };
}

/** Starts NATS with MQTT, which needs a server name and JetStream, on free ports. */
export async function startNats(command: string, options: NatsOptions = {}): Promise<Nats & AsyncDisposable> {
  const { host = "127.0.0.1" } = options;
  const folder = mkdtempSync(join(tmpdir(), "sidewire-nats-"));
  const path = join(folder, "nats.conf");
  const start = (): Promise<ServerProcess> =>
    launch({ command, args: ["-c", path], ready: /Server is ready/ });

  let ports = { port: 0, webPort: 0 };
  let server = await retrying(async () => {
    ports = { port: await freePort(host), webPort: await freePort(host) };
    writeFileSync(path, config(host, ports, folder, options));
    return await start();
  });
  return {
    host,
    version: /Version:\s+(\S+)/.exec(server.log)?.[1] ?? "unknown",
    ...ports,
    kill: () => server.kill(),
    restart: async () => {
      await server.kill();
      server = await start();
    },
    [Symbol.asyncDispose]: async () => {
      await server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function config(
  host: string,
  { port, webPort }: { readonly port: number; readonly webPort: number },
  folder: string,
  { tls, user }: NatsOptions,
): string {
  const secured = tls && `tls { cert_file: "${tls.cert}", key_file: "${tls.key}" }`;
  const users = user && [
    `authorization { users: [ { user: nobody, password: "" }`,
    `{ user: "${user.username}", password: "${user.password}" } ] }`,
    "no_auth_user: nobody",
  ];
  return [
    `listen: "${host}:-1"`,
    "server_name: sidewire",
    `jetstream { store_dir: "${join(folder, "jetstream")}" }`,
    `mqtt { listen: "${host}:${port}", ${secured ?? ""} }`,
    `websocket { listen: "${host}:${webPort}", ${secured ?? "no_tls: true"} }`,
    ...(users ?? []),
  ].join("\n");
}
