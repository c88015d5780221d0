import { EventEmitter } from "node:events";
import { Keypair, parseBrokerPool, Router, rankBrokers } from "sidewire";
import { type Peers, until } from "./conversation.js";
import { Ledger } from "./ledger.js";
import { type LocalBroker, startLocalBroker } from "./local-broker.js";
import { Wiretap } from "./wiretap.js";

/** Loopback addresses: to the ranking they are five different hosts. */
const HOSTS: readonly string[] = [1, 2, 3, 4, 5].map((last) => `127.0.0.${last}`);

/** How many brokers each peer listens on. */
export const INBOUND = 3;

/** A broker with its score for a peer. */
export interface Ranked {
  readonly broker: LocalBroker;
  readonly score: number;
}

/** Two peers, and five brokers in this process. */
export interface Stage extends Peers, AsyncDisposable {
  readonly brokers: readonly LocalBroker[];
  /** The brokers as each peer's address ranks them, best first. */
  readonly ofAnn: readonly Ranked[];
  readonly ofBen: readonly Ranked[];
  /** Emits `passed` whenever something between the two has passed a broker. */
  readonly wire: EventEmitter;
}

/** Starts everything, and waits until both peers listen on all the brokers that they want. */
export async function setStage(signal: AbortSignal): Promise<Stage> {
  const [annKeys, benKeys] = [Keypair.generate(), Keypair.generate()];
  const [from, to] = [annKeys.publicKeyHex, benKeys.publicKeyHex];
  const wire = new EventEmitter();
  const brokers = await startBrokers(() => new Wiretap(from, to, () => wire.emit("passed")));

  const entries = brokers.map(({ host, port }) => [host, { port }]);
  const pool = parseBrokerPool({ IPv4: Object.fromEntries(entries) });
  // The default is a reserve of eight more, which here would be all five from the start.
  const options = { getTime: Date.now, brokers: pool, inboundBrokers: INBOUND, reserveBrokers: 0 };
  const annSays = new Ledger("Ann → Ben");
  const benSays = new Ledger("Ben → Ann");
  const ann = new Router(annKeys, { ...options, onMessage: (m) => benSays.shown(m.text()) });
  const ben = new Router(benKeys, { ...options, onMessage: (m) => annSays.shown(m.text()) });

  const rank = (address: string): Ranked[] =>
    rankBrokers(address, pool).IPv4.flatMap(({ host, score }) =>
      brokers.filter((broker) => broker.host === host).map((broker) => ({ broker, score })),
    );
  const leave = async (): Promise<void> => {
    await Promise.all([ann.close(), ben.close()]);
    await Promise.all(brokers.map((broker) => broker.kill()));
  };
  try {
    await Promise.all(
      [ann, ben].map(async (router) => {
        await router.start({ signal });
        await until(() => hostsOf(router).length === INBOUND, router, "broker", signal);
      }),
    );
  } catch (error) {
    await leave();
    throw error;
  }
  return {
    ann,
    ben,
    annSays,
    benSays,
    brokers,
    ofAnn: rank(ann.address),
    ofBen: rank(ben.address),
    wire,
    [Symbol.asyncDispose]: leave,
  };
}

/** The brokers that a peer listens on and tells others of. */
export function hostsOf(router: Router): string[] {
  return router.hints().map(({ host }) => host);
}

async function startBrokers(newTap: () => Wiretap): Promise<LocalBroker[]> {
  const results = await Promise.allSettled(HOSTS.map((host) => startLocalBroker(host, newTap())));
  const started = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    await Promise.all(started.map((broker) => broker.kill()));
    throw failed.reason;
  }
  return started;
}
