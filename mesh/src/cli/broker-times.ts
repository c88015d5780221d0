import { type BrokerPool, Keypair, Router } from "sidewire";

/** How long one broker took to connect. */
export interface BrokerTime {
  readonly host: string;
  readonly port: number | undefined;
  /** The time until the broker granted the subscription, in ms; undefined when it did not. */
  readonly connectMs: number | undefined;
  readonly error: string | undefined;
}

/** A slower broker is useless for a start, in ms. */
const PATIENCE_MS = 6000;

/** Connects to the brokers as the daemon does, with a new key. */
export async function brokerTimes(
  brokers: BrokerPool | undefined,
  signal: AbortSignal,
): Promise<readonly BrokerTime[]> {
  const router = new Router(Keypair.generate(), { getTime: Date.now, brokers, accept: () => false });
  const times = new Map<string, number>();
  const startedAt = performance.now();
  try {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, PATIENCE_MS);
      const end = (): void => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener("abort", end, { once: true });
      router.on("broker", ({ broker: { family, host }, state }) => {
        const name = `${family} ${host}`;
        if (state === "open" && !times.has(name)) times.set(name, performance.now() - startedAt);
        // A broker that is open or waits for its next try has been tried.
        const all = router.stats().brokers;
        if (all.every((one) => one.state === "open" || one.state === "waiting")) end();
      });
      router.start({ signal, timeoutMs: PATIENCE_MS }).catch(() => {});
    });
    return router.stats().brokers.map(({ family, host, port, lastError }) => {
      const connectMs = times.get(`${family} ${host}`);
      return { host, port, connectMs, error: connectMs === undefined ? lastError : undefined };
    });
  } finally {
    await router.close({ signal: AbortSignal.abort() });
  }
}
