import { fileURLToPath } from "node:url";
import { freePort } from "./free-port.js";
import { launch, retrying, type ServerProcess } from "./server-process.js";

/** A broker in a process of its own. */
export interface BrokerProcess {
  readonly host: string;
  readonly port: number;
  /** Where it speaks WebSocket. */
  readonly webPort: number;
  /** The end of what it has written so far. */
  readonly log: string;
  /** Stops it as if it hung: connections stay, nothing is answered. */
  freeze(): void;
  thaw(): void;
  /** Ends it at once; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same ports. */
  restart(): Promise<void>;
}

/** Starts a broker on free ports of a loopback address; `using` it ends it. */
export async function keepBroker(
  host: string,
  start: (port: number, webPort: number) => Promise<ServerProcess>,
): Promise<BrokerProcess & AsyncDisposable> {
  let [port, webPort] = [0, 0];
  let server = await retrying(async () => {
    [port, webPort] = [await freePort(host), await freePort(host)];
    return await start(port, webPort);
  });
  return {
    host,
    port,
    webPort,
    get log() {
      return server.log;
    },
    freeze: () => server.signal("SIGSTOP"),
    thaw: () => server.signal("SIGCONT"),
    kill: () => server.kill(),
    restart: async () => {
      await server.kill();
      server = await start(port, webPort);
    },
    [Symbol.asyncDispose]: () => server.kill(),
  };
}

const AEDES: string = fileURLToPath(new URL("./aedes-process.mjs", import.meta.url));

/** Starts aedes in a process of its own. */
export async function startAedes(host = "127.0.0.1"): Promise<BrokerProcess & AsyncDisposable> {
  return await keepBroker(host, (port, webPort) =>
    launch({ command: process.execPath, args: [AEDES, host, `${port}`, `${webPort}`], ready: /running/ }),
  );
}
