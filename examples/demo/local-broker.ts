import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Aedes } from "aedes";
import { Valve } from "./valve.js";
import type { Wiretap } from "./wiretap.js";

/** A real MQTT broker in this process that can be killed, and frozen. */
export interface LocalBroker {
  readonly host: string;
  readonly port: number;
  /** What passes it. */
  readonly tap: Wiretap;
  /** Connections stay open and new ones are taken, and nothing is read or answered any more. */
  freeze(): void;
  /** Goes on with everything that has come in meanwhile. */
  thaw(): void;
  /** Breaks every connection at once; from then on new ones are refused. Resolves when all is gone. */
  kill(): Promise<void>;
}

/** Starts a broker on a loopback address, on a free port. */
export async function startLocalBroker(host: string, tap: Wiretap): Promise<LocalBroker> {
  const aedes = await Aedes.createBroker({
    authorizeForward: (_, packet) => {
      tap.gave(packet.topic, bytesOf(packet.payload));
      return packet;
    },
  });
  aedes.on("publish", ({ topic, payload }) => tap.took(topic, bytesOf(payload)));

  const valves = new Set<Valve>();
  let frozen = false;
  // Without Nagle's algorithm, which would hold small packets back for up to 40 ms.
  const server = createServer({ noDelay: true }, (socket) => {
    const valve = new Valve(socket, frozen);
    valves.add(valve);
    valve.once("close", () => valves.delete(valve));
    aedes.handle(valve);
  });
  const closeAedes = (): Promise<void> => new Promise((resolve) => aedes.close(() => resolve()));
  try {
    server.listen(0, host);
    await once(server, "listening");
  } catch (error) {
    await closeAedes();
    throw error;
  }

  let dying: Promise<void> | undefined;
  return {
    host,
    // A TCP server's address is an AddressInfo while it is listening.
    port: (server.address() as AddressInfo).port,
    tap,
    freeze: () => {
      frozen = true;
      for (const valve of valves) valve.shut();
    },
    thaw: () => {
      frozen = false;
      for (const valve of valves) valve.open();
    },
    kill: () => {
      if (dying === undefined) {
        server.close();
        for (const valve of valves) valve.destroy();
        dying = closeAedes();
      }
      return dying;
    },
  };
}

function bytesOf(payload: string | Uint8Array): Uint8Array {
  return typeof payload === "string" ? Buffer.from(payload) : payload;
}
