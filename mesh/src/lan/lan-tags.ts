import { Budgets } from "../probe/budgets.js";
import { type LanKeys, lanTag } from "./lan-keys.js";

/**
 * With how many peers a LAN is shared: the first ones. To make the tags of all of them takes 3 ms, and they are made
 * again in each epoch.
 */
export const MAX_LAN_PEERS = 1024;

/** Epochs whose tags are remembered. */
const MAX_EPOCHS = 4;

/** Epochs of somebody else's clock whose tags are made: 6 at once, one in 10 s. Anybody can name any epoch. */
const OTHERS = { perSecond: 1 / 10, burst: 6 } as const;

/** Which peer a tag is of. */
export class LanTags {
  readonly #keys = new Map<string, LanKeys>();
  /** Tags, by epoch; that of the last use stands last. */
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
   * @param epoch - what the datagram says. Without the internet, clocks may be years apart.
   * @param current - that of the own clock
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
