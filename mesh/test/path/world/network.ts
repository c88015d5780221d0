/** How hosts reach each other: over a LAN that both are in, over IPv6, over IPv4. */
export const NETWORKS = ["lan", "ipv6", "ipv4"] as const;
export type Network = (typeof NETWORKS)[number];

/** What stands before a host in one network. */
export type Nat = "open" | "restricted" | "symmetric" | "blocked";

/** A hole of a NAT or firewall is forgotten so long after the last packet that left by it, ms. */
const HOLE_MS = 30_000;

/** One host's place in one network. */
export class Uplink {
  readonly network: Network;
  readonly nat: Nat;
  /** Changes when the host gets another address. */
  generation = 0;
  readonly #host: number;
  readonly #holes = new Map<string, number>();
  readonly #ports = new Map<string, number>();

  constructor(host: number, network: Network, nat: Nat) {
    this.#host = host;
    this.network = network;
    this.nat = nat;
  }

  /** Where packets to `to` come from, as others see it. It opens the way back. */
  send(to: string, now: number): string {
    const from = this.endpoint(this.#portFor(to));
    this.#holes.set(`${from} ${to}`, now);
    return from;
  }

  /** Whether a packet from there gets in. */
  accepts(from: string, to: string, now: number): boolean {
    if (this.nat === "blocked") return false;
    if (this.nat === "open") return to === this.endpoint(1);
    return now - (this.#holes.get(`${to} ${from}`) ?? Number.NEGATIVE_INFINITY) <= HOLE_MS;
  }

  /** What the host announces: for a symmetric NAT, what a third party sees. */
  get announced(): string {
    return this.endpoint(1);
  }

  owns(endpoint: string): boolean {
    return endpoint.slice(0, endpoint.lastIndexOf(":")) === this.#address;
  }

  renumber(): void {
    this.generation++;
    this.#holes.clear();
    this.#ports.clear();
  }

  endpoint(port: number): string {
    return `${this.#address}:${port}`;
  }

  get #address(): string {
    const last = (this.generation % 100) + 1;
    if (this.network === "ipv6") return `[2001:db8:${this.#host + 1}::${last.toString(16)}]`;
    if (this.network === "lan") return `192.168.7.${this.#host * 100 + last}`;
    return `203.0.${this.#host + 1}.${last}`;
  }

  #portFor(to: string): number {
    if (this.nat !== "symmetric") return 1;
    let port = this.#ports.get(to);
    if (port === undefined) {
      port = 1000 + this.#ports.size;
      this.#ports.set(to, port);
    }
    return port;
  }
}

export function networkOf(endpoint: string): Network {
  if (endpoint.startsWith("[")) return "ipv6";
  return endpoint.startsWith("192.168.") ? "lan" : "ipv4";
}
