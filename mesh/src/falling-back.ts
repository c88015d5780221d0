import type { Device } from "./device/device.js";
import type { DeviceState } from "./device/state.js";
import { Fallback, type Fallen } from "./facts/fallback.js";
import { formatPrefix } from "./ip/prefix.js";
import type { Peer } from "./peer.js";

/** What falling back needs. */
export interface FallingBackMeans {
  readonly device: Pick<Device, "withhold">;
  readonly peers: ReadonlyMap<string, Pick<Peer, "isHealthy">>;
  /** How long after a start no allowed IP is taken from a peer, in ms. Default: 255 s. */
  readonly guardMs?: number | undefined;
  readonly onState: (state: DeviceState) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Leaves the traffic of unreachable peers to a router, and gives it back to the peers when they can be reached again.
 */
export class FallingBack {
  readonly #means: FallingBackMeans;
  readonly #fallback: Fallback;
  #isBusy = false;
  #isClosed = false;

  constructor(means: FallingBackMeans) {
    this.#means = means;
    this.#fallback = new Fallback(performance.now(), means.guardMs);
  }

  /** Handles the current state of all peers in WireGuard. */
  look({ peers }: DeviceState): void {
    if (this.#isClosed || this.#isBusy) return;
    const now = performance.now();
    const isHealthy = (name: string): boolean => this.#means.peers.get(name)?.isHealthy(now) ?? false;
    const wanted = this.#fallback.decide(peers, isHealthy, now);
    const before: Fallen = new Map(
      peers.flatMap(({ publicKey, withheld }) => (withheld ? [[publicKey, withheld]] : [])),
    );
    if (textOf(before) !== textOf(wanted)) void this.#withhold(wanted);
  }

  close(): void {
    this.#isClosed = true;
  }

  async #withhold(wanted: Fallen): Promise<void> {
    const { device, onState, onError } = this.#means;
    this.#isBusy = true;
    try {
      onState(await device.withhold(wanted));
    } catch (error) {
      onError(error);
    } finally {
      // The next look decides again.
      this.#isBusy = false;
    }
  }
}

function textOf(fallen: Fallen): string {
  const lines = [...fallen].map(([name, ips]) => `${name} ${ips.map(formatPrefix).toSorted().join()}`);
  return lines.toSorted().join("\n");
}
