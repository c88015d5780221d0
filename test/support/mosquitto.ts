import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrokerProcess, keepBroker } from "./broker-process.js";
import { launch, type ServerProcess } from "./server-process.js";

/** Runs mosquitto with a configuration. */
export type RunMosquitto = (config: string) => Promise<ServerProcess>;

/** What runs the mosquitto that is there. */
export function mosquittoAt(command: string): RunMosquitto {
  return async (config) => {
    const folder = mkdtempSync(join(tmpdir(), "sidewire-mosquitto-"));
    const path = join(folder, "mosquitto.conf");
    // As the user of the test, who may read its files; and saying when it runs.
    writeFileSync(path, `${config}\nuser root\nlog_type information\n`);
    // What runs has read it.
    return await launch({ command, args: ["-c", path], ready: /version \S+ running/ }).finally(() =>
      rmSync(folder, { recursive: true }),
    );
  };
}

/** Starts one on a loopback address, on free ports. It drops nothing; `using` it ends it. */
export async function startMosquitto(
  run: RunMosquitto,
  host = "127.0.0.1",
): Promise<BrokerProcess & AsyncDisposable> {
  return await keepBroker(host, (port, webPort) =>
    run(
      [
        "allow_anonymous true",
        "set_tcp_nodelay true",
        "max_queued_messages 0",
        `listener ${port} ${host}`,
        `listener ${webPort} ${host}`,
        "protocol websockets",
      ].join("\n"),
    ),
  );
}
