import { type BrokerPool, parseBrokerPool } from "sidewire";

/** What the server tells a page. */
export interface Setup {
  readonly brokers: BrokerPool;
  /** Where other devices find the page. */
  readonly url: string;
  /** The server's clock, Unix ms: the clocks of two devices may be minutes apart. */
  readonly now: number;
}

/** The setup, and a clock that agrees with the other pages' to within the time that the question took. */
export async function fetchSetup(): Promise<Setup & { readonly getTime: () => number }> {
  const askedAt = performance.now();
  const response = await fetch("setup.json", { cache: "no-store" });
  if (!response.ok) throw new Error(`the server has no setup: ${response.status} ${response.statusText}`);
  const { brokers, url, now }: { brokers?: unknown; url?: unknown; now?: unknown } = await response.json();
  if (typeof url !== "string" || typeof now !== "number") throw new Error("the server's setup is malformed");
  const offset = now + (performance.now() - askedAt) / 2 - Date.now();
  return { brokers: parseBrokerPool(brokers), url, now, getTime: () => Date.now() + offset };
}
