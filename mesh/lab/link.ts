import type { DelayLine } from "./delay-line.js";
import type { Namespace } from "./namespace.js";

/** How bad a link is. */
export interface Impairment {
  /** Share of the packets that is lost, in each direction, from 0 to 1. Default: 0. */
  readonly loss?: number;
  /** Bits a second in each direction; what is too much waits up to 50 ms and is lost then. Default: unlimited. */
  readonly rate?: number;
  /** Milliseconds that what comes from below needs longer: a round trip has it once. Default: 0. */
  readonly delay?: number;
}

/**
 * A link to the outside, seen from its upper end: what happens here happens behind the NAT box, which does not notice
 * that a packet is lost.
 */
export class Link {
  readonly #upper: Namespace;
  readonly #port: string;
  readonly #lower: Namespace;
  readonly #device: string;
  readonly #startDelay: (() => Promise<DelayLine>) | undefined;
  #delayLine: DelayLine | undefined;

  /** @param startDelay - makes what delays it, if it ends in the middle */
  constructor(
    upper: Namespace,
    port: string,
    lower: Namespace,
    device: string,
    startDelay: (() => Promise<DelayLine>) | undefined,
  ) {
    this.#upper = upper;
    this.#port = port;
    this.#lower = lower;
    this.#device = device;
    this.#startDelay = startDelay;
  }

  /** Loses every packet from now on. Nothing goes down, nobody is told. */
  async cut(): Promise<void> {
    await this.#rule("drop");
  }

  /** Ends what {@link cut} or {@link impair} began. */
  async mend(): Promise<void> {
    await this.impair({});
  }

  /** Makes it as bad as this, whatever it was before. */
  async impair({ loss = 0, rate, delay = 0 }: Impairment): Promise<void> {
    if (delay > 0 && this.#startDelay === undefined)
      throw new Error("lab: only a link that ends in the middle can be delayed");
    if (delay > 0) this.#delayLine ??= await this.#startDelay?.();
    await this.#delayLine?.set(delay);
    await this.#rule(loss > 0 ? `numgen random mod 10000 < ${Math.round(loss * 10_000)} drop` : "");
    await this.#rate(rate);
  }

  async #rule(rule: string): Promise<void> {
    const table = `netdev link_${this.#port}`;
    // Neighbours find each other in any case: who asks in vain waits a second, which no outside link is like.
    const neighbours = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept";
    const chain = (hook: string): string =>
      `chain ${hook} { type filter hook ${hook} device ${this.#port} priority 0;
        ${neighbours}\n meta protocol { ip, ip6 } ${rule}\n }`;
    const fresh = rule === "" ? "" : `table ${table} {\n ${chain("ingress")}\n ${chain("egress")}\n}`;
    await this.#upper.set({ nft: `table ${table}\ndelete table ${table}\n${fresh}` });
  }

  async #rate(rate: number | undefined): Promise<void> {
    const ends = [
      { namespace: this.#upper, device: this.#port },
      { namespace: this.#lower, device: this.#device },
    ];
    for (const { namespace, device } of ends) {
      const qdisc = ["tc", "qdisc", rate === undefined ? "del" : "replace", "dev", device, "root"];
      if (rate === undefined) await namespace.tryRun(qdisc);
      else await namespace.run([...qdisc, "tbf", "rate", `${rate}bit`, "burst", "16kb", "latency", "50ms"]);
    }
  }
}
