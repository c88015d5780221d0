import { Budgets } from "../probe/budgets.js";
import { type LanKeys, lanTag } from "./lan-keys.js";

/**
 * The maximum number of peers on a LAN; further ones are ignored. Making the tags of this number of peers takes 3 ms,
 * and is repeated in each epoch.
 */
export const MAX_LAN_PEERS = 1024;

/** The number of epochs whose tags are remembered. */
const MAX_EPOCHS = 4;

/**
 * The limit for making tags of other epochs than the own one: 6 at once, and one in 10 s. Anybody can name any epoch.
 */
const OTHERS = { perSecond: 1 / 10, burst: 6 } as const;

/** Finds the peer of a tag. */
export class LanTags {
  readonly #keys = new Map<string, LanKeys>();
  /** The tags by epoch. The epoch that was used last is at the end. */
  readonly #epochs = new Map<number, ReadonlyMap<string, string>>();
  readonly #others = new Budgets(OTHERS.perSecond, OTHERS.burst, 1);

  get peers(): ReadonlyMap<string, LanKeys> {
    return this.#keys;
  }

  add(name: string, keys: LanKeys): void {
    if (this.#keys.size >= MAX_LAN_PEERS) return;
    this.#keys.set(name, keys);
    this.#epochs.clear();
  }

  remove(name: string): void {
    if (this.#keys.delete(name)) this.#epochs.clear();
  }

  /**
   * @param epoch - the epoch in the datagram; without the internet, clocks may differ by years
   * @param current - the epoch of the own clock
   * @param now - monotonic ms
   */
  find(tag: string, epoch: number, current: number, now: number): string | undefined {
    return this.#of(epoch, current, now)?.get(tag);
  }

  #of(epoch: number, current: number, now: number): ReadonlyMap<string, string> | undefined {
    const known = this.#epochs.get(epoch);
    if (known === undefined && Math.abs(epoch - current) > 1 && !this.#others.take("", now)) return undefined;
    const tags =
      known ??
      new Map(
        Array.from(this.#keys, ([name, keys]) => [
          Buffer.from(lanTag(keys, false, epoch)).toString("hex"),
          name,
        ]),
      );
    this.#epochs.delete(epoch);
    this.#epochs.set(epoch, tags);
    for (const old of this.#epochs.keys()) {
      if (this.#epochs.size <= MAX_EPOCHS) break;
      this.#epochs.delete(old);
    }
    return tags;
  }
}
