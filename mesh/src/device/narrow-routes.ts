import { MeshError } from "../errors.js";
import { formatPrefix, type Prefix } from "../ip/prefix.js";
import type { Runner } from "./command.js";
import type { Journal } from "./journal.js";
import { addNarrow, type NarrowRoute, narrowRoutes, removeAllNarrow, removeNarrow } from "./narrow.js";
import type { Reader } from "./reader.js";
import type { DevicePeer } from "./state.js";

/** What is needed for these routes. */
export interface NarrowRoutesMeans {
  /** The name of the interface. */
  readonly name: string;
  readonly reader: Pick<Reader, "link" | "routes">;
  readonly changer: Runner;
  readonly journal: Pick<Journal, "changes" | "keep">;
}

/** What was done for a peer. */
interface Narrowed {
  /** The number of bytes by which packets to the peer are smaller. */
  readonly overhead: number;
  /** The peer's allowed IPs at that time. */
  readonly allowedIps: readonly Prefix[];
  /** There may be fewer routes than allowed IPs: some have no route, and IPv6 allows no smaller MTU. */
  readonly routes: readonly NarrowRoute[];
}

/** The added routes with a smaller MTU, for peers whose packets have another tunnel around them. */
export class NarrowRoutes {
  readonly #means: NarrowRoutesMeans;
  /** The routes by the peer's public key. */
  readonly #routes = new Map<string, Narrowed>();

  constructor(means: NarrowRoutesMeans) {
    this.#means = means;
  }

  /** Makes packets to these prefixes smaller by `overhead` bytes. */
  async add(
    publicKey: string,
    allowedIps: readonly Prefix[],
    overhead: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { name, reader, changer, journal } = this.#means;
    const [{ mtu }, routes] = await Promise.all([reader.link(signal), reader.routes(signal)]);
    const narrow = narrowRoutes(name, routes, { allowedIps, mtu, overhead });
    if (narrow.length > 0) await journal.keep({ hasRoutes: true });
    this.#routes.set(publicKey, { overhead, allowedIps, routes: narrow });
    for (const route of narrow) await changer.run(addNarrow(name, route), signal);
  }

  /** Must be called when peers have other allowed IPs or have disappeared. */
  async refresh(peers: readonly DevicePeer[], signal: AbortSignal): Promise<void> {
    for (const [publicKey, { overhead, allowedIps: before }] of [...this.#routes]) {
      const { allowedIps = [] } = peers.find((peer) => peer.publicKey === publicKey) ?? {};
      if (textOf(allowedIps) === textOf(before)) continue;
      await this.remove(publicKey, signal);
      if (allowedIps.length > 0) await this.add(publicKey, allowedIps, overhead, signal);
    }
  }

  /** Removes the routes of a peer. A route that somebody else has removed is no error. */
  async remove(publicKey: string, signal: AbortSignal): Promise<void> {
    const { name, changer } = this.#means;
    const { routes = [] } = this.#routes.get(publicKey) ?? {};
    this.#routes.delete(publicKey);
    for (const route of routes) {
      await changer.run(removeNarrow(name, route), signal).catch((error: unknown) => {
        if (!(error instanceof MeshError) || error.code !== "COMMAND_FAILED") throw error;
      });
    }
  }

  /** Removes all routes, including those of an earlier run. @returns whether there were routes of this run */
  async removeAll(): Promise<boolean> {
    const hadSome = [...this.#routes.values()].some(({ routes }) => routes.length > 0);
    this.#routes.clear();
    if (!this.#means.journal.changes.hasRoutes) return false;
    for (const command of removeAllNarrow(this.#means.name)) await this.#means.changer.run(command);
    return hadSome;
  }
}

function textOf(prefixes: readonly Prefix[]): string {
  return prefixes.map(formatPrefix).toSorted().join();
}
