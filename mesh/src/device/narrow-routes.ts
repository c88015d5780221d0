import { MeshError } from "../errors.js";
import { formatPrefix, type Prefix } from "../ip/prefix.js";
import type { Runner } from "./command.js";
import type { Journal } from "./journal.js";
import { addNarrow, type NarrowRoute, narrowRoutes, removeAllNarrow, removeNarrow } from "./narrow.js";
import type { Reader } from "./reader.js";
import type { DevicePeer } from "./state.js";

/** What these routes are kept with. */
export interface NarrowRoutesMeans {
  /** Of the interface. */
  readonly name: string;
  readonly reader: Pick<Reader, "link" | "routes">;
  readonly changer: Runner;
  readonly journal: Pick<Journal, "changes" | "keep">;
}

/** What was done for a peer. */
interface Narrowed {
  /** By so many bytes packets to it are smaller. */
  readonly overhead: number;
  /** The allowed IPs that it had. */
  readonly allowedIps: readonly Prefix[];
  /** Fewer than these where there is no route to make smaller, or no smaller MTU in IPv6. */
  readonly routes: readonly NarrowRoute[];
}

/** The routes with a smaller MTU that we added, for peers whose packets have another tunnel around them. */
export class NarrowRoutes {
  readonly #means: NarrowRoutesMeans;
  /** By the peer's public key. */
  readonly #routes = new Map<string, Narrowed>();

  constructor(means: NarrowRoutesMeans) {
    this.#means = means;
  }

  /** Makes packets to these prefixes smaller by so many bytes. */
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

  /** Peers have other allowed IPs, or are gone. */
  async refresh(peers: readonly DevicePeer[], signal: AbortSignal): Promise<void> {
    for (const [publicKey, { overhead, allowedIps: before }] of [...this.#routes]) {
      const { allowedIps = [] } = peers.find((peer) => peer.publicKey === publicKey) ?? {};
      if (textOf(allowedIps) === textOf(before)) continue;
      await this.remove(publicKey, signal);
      if (allowedIps.length > 0) await this.add(publicKey, allowedIps, overhead, signal);
    }
  }

  /** Those of a peer are no more. One that somebody else has removed is gone already. */
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

  /** All are no more, also those of an earlier run. @returns whether some of this run were there */
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
