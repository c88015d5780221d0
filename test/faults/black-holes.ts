import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Worker } from "node:worker_threads";

/** Addresses at which connection attempts are swallowed. */
export interface BlackHoles extends AsyncDisposable {
  readonly endpoints: readonly { readonly host: string; readonly port: number }[];
}

/**
 * A thread that listens and never accepts: it sleeps. Once the few places in each backlog are taken,
 * Linux drops every further SYN, and whoever sent it hears nothing at all.
 */
const LISTENER = `
  const { createServer } = require("node:net");
  const { parentPort, workerData } = require("node:worker_threads");
  const servers = workerData.hosts.map((host) => createServer().listen({ host, port: 0, backlog: 1 }));
  Promise.all(servers.map((server) => new Promise((resolve) => server.once("listening", resolve)))).then(() => {
    parentPort.postMessage(servers.map((server) => server.address().port));
    // The next turn, so that the message has left.
    setImmediate(() => {
      Atomics.wait(new Int32Array(workerData.wake), 0, 0);
      process.exit();
    });
  });
`;

/** How many connections a backlog of 1 takes. */
const PLACES = 2;

/** Opens a black hole at each address. */
export async function openBlackHoles(hosts: readonly string[]): Promise<BlackHoles> {
  const wake = new SharedArrayBuffer(4);
  const thread = new Worker(LISTENER, { eval: true, workerData: { hosts, wake } });
  // What the thread above posts.
  const [ports] = (await once(thread, "message")) as [number[]];
  const endpoints = hosts.map((host, i) => ({ host, port: ports[i] ?? 0 }));
  const fillers: Socket[] = [];
  for (const { host, port } of endpoints) {
    for (let place = 0; place < PLACES; place++) {
      const filler = connect(port, host);
      filler.on("error", () => {});
      fillers.push(filler);
      await once(filler, "connect");
    }
  }
  return {
    endpoints,
    async [Symbol.asyncDispose]() {
      for (const filler of fillers) filler.destroy();
      const gone = once(thread, "exit");
      Atomics.store(new Int32Array(wake), 0, 1);
      Atomics.notify(new Int32Array(wake), 0);
      await gone;
    },
  };
}
