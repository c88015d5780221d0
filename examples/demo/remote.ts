import { type BrokerPool, Keypair, NoBrokerError, Router } from "sidewire";
import { talk, until } from "./conversation.js";
import { Ledger, problemsOf } from "./ledger.js";
import { cell, clip, paint, say, short, showCounts, title } from "./screen.js";

/** Leaves the time to say goodbye within 15 s. */
const DEADLINE_MS = 13_000;
const START_TIMEOUT_MS = 8000;

/** How long the peers may take to find all the brokers that they want to listen on. */
const SETTLE_MS = 2500;

/** The same two peers over brokers that neither of them runs. Returns what went wrong. */
export async function remoteStory(pool: BrokerPool): Promise<string[]> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const startedAt = performance.now();
  const annSays = new Ledger("Ann → Ben");
  const benSays = new Ledger("Ben → Ann");
  const options = { getTime: Date.now, brokers: pool };
  const ann = new Router(Keypair.generate(), { ...options, onMessage: (m) => benSays.shown(m.text()) });
  const ben = new Router(Keypair.generate(), { ...options, onMessage: (m) => annSays.shown(m.text()) });

  const sizes = [pool.IPv4, pool.IPv6].map((family) => Object.keys(family ?? {}).length);
  const dated = pool.updated === undefined ? "" : `, checked ${pool.updated}`;
  say();
  say(paint("dim", `Connecting to ${sizes[0]} IPv4 and ${sizes[1]} IPv6 brokers${dated} …`));
  try {
    await Promise.all([ann, ben].map((router) => router.start({ signal, timeoutMs: START_TIMEOUT_MS })));
    await Promise.all([ann, ben].map((router) => settle(router, sizes)));
    title("1  Who listens where", "on the best reachable brokers of the own ranking");
    for (const [name, router] of [
      ["Ann", ann],
      ["Ben", ben],
    ] as const) {
      const hosts = router.hints().map(({ af, host }) => `${host}${af === 10 ? " (IPv6)" : ""}`);
      say(`  ${cell(name, 7)}${paint("dim", cell(short(router.address), 18))}${clip(hosts.join(", "), 27)}`);
    }
    title("2  Messages", "published on the receiver's brokers; the first ACK wins");
    await talk({ ann, ben, annSays, benSays }, signal);
  } catch (error) {
    if (!(error instanceof NoBrokerError)) throw error;
    say();
    for (const broker of error.brokers) {
      say(`  ${cell(broker.family, 6)}${cell(broker.host, 24)}${clip(broker.error, 32)}`);
    }
    return ["none of these brokers can be reached from here: is there a network?"];
  } finally {
    await Promise.all([ann.close(), ben.close()]);
  }
  const counts = [annSays.count(), benSays.count()];
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  title("3  The count", `after ${seconds} s, when both have left`);
  showCounts(counts);
  return problemsOf(counts);
}

/** Resolves once a router listens on three brokers of each family, or after a while on fewer. */
async function settle(router: Router, sizes: readonly number[]): Promise<void> {
  const isSettled = (): boolean =>
    [2, 10].every((af, i) => {
      const listening = router.hints().filter((hint) => hint.af === af).length;
      return listening === Math.min(3, sizes[i] ?? 0);
    });
  await until(isSettled, router, "broker", AbortSignal.timeout(SETTLE_MS)).catch(() => {});
}
