import type { BrokerPool } from "sidewire";
import type { InterfaceAddress } from "../device/create.js";
import { MeshError } from "../errors.js";
import type { Entry } from "../roster/roster.js";
import type { Fields, Sayable } from "../roster/statement.js";
import type { Member, View } from "../roster/view.js";
import { formatKey } from "../wireguard-key.js";
import type { RosterFile } from "./roster-file.js";

/** What a host is, in a network or not. */
export interface PlaceMeans {
  readonly interface: string;
  readonly file: RosterFile;
  /** What a token carries; undefined: the public ones. */
  readonly brokers: BrokerPool | undefined;
  readonly getTime: () => number;
  /** The own WireGuard keys, 32 bytes each. */
  readonly keys: () => { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array } | undefined;
  /** The addresses that the interface has. */
  readonly addresses: () => Promise<readonly InterfaceAddress[]>;
  readonly onWarning: (message: string) => void;
}

/** Writes down what was said, does it, and tells it. */
export type Changed = (said: readonly Entry[]) => Promise<void>;

/** What this host knows of its network, and who it is in it. Members are named by their WireGuard keys, base64. */
export class Place {
  readonly means: PlaceMeans;
  /** What the roster comes to; undefined without a network. */
  view: View | undefined;

  constructor(means: PlaceMeans) {
    this.means = means;
  }

  /** The key that this host signs by, base64. */
  get signer(): string {
    return formatKey(this.means.file.key.publicKey);
  }

  /** The own WireGuard key as the roster has it, base64: while it is being changed, that may be the new one already. */
  get ownKey(): string | undefined {
    const keys = this.means.keys();
    if (keys === undefined) return undefined;
    const own = formatKey(keys.publicKey);
    return this.view?.replaced.get(own) ?? own;
  }

  /** Members besides this host. */
  others(): Member[] {
    const { ownKey } = this;
    return [...(this.view?.members.values() ?? [])].filter(({ publicKey }) => publicKey !== ownKey);
  }

  /** What a member is called; of somebody else, the key. */
  nameOf(publicKey: string): string {
    return this.view?.members.get(publicKey)?.name ?? publicKey;
  }

  /** Whether a member is this host. */
  isSelf({ publicKey }: Member): boolean {
    return publicKey === this.ownKey;
  }

  /**
   * One member by its name, its key or the beginning of it.
   * @throws {@link MeshError} `NO_MEMBER`
   */
  member(wanted: string): Member {
    const all = [...(this.view?.members.values() ?? [])];
    const exact = all.find(({ name, publicKey }) => name === wanted || publicKey === wanted);
    if (exact !== undefined) return exact;
    const [found, ...more] = all.filter(({ publicKey }) => publicKey.startsWith(wanted));
    if (found !== undefined && more.length === 0) return found;
    throw new MeshError(
      "NO_MEMBER",
      found === undefined
        ? `no member of ${this.view?.name} has the name or key ${wanted}: sidewire-mesh members shows them`
        : `${more.length + 1} members have a key that begins with ${wanted}: give more of it`,
    );
  }

  /** @throws {@link MeshError} `NO_NETWORK`, `NOT_ADMIN` */
  asAdmin(): { readonly view: View } {
    const view = this.view;
    if (view === undefined) throw this.noNetwork();
    if (view.admins.has(this.signer)) return { view };
    const admins = [...view.members.values()].filter(({ isAdmin }) => isAdmin).map(({ name }) => name);
    throw new MeshError(
      "NOT_ADMIN",
      `this host is no admin of ${view.name}: do it on ${admins.join(" or ") || "an admin's host"}`,
    );
  }

  /** Says something as an admin. */
  say(kind: Sayable, subject: Uint8Array, fields: Fields): Entry {
    const { file, getTime } = this.means;
    const entry = file.roster?.write(file.key, kind, subject, fields, getTime());
    if (entry !== undefined) return entry;
    throw new MeshError("CONFLICT", "the roster has no room for more: found a new network");
  }

  /** This host is in no network. */
  noNetwork(): MeshError {
    return new MeshError(
      "NO_NETWORK",
      `${this.means.interface} is in no network: sidewire-mesh invite founds one, sidewire-mesh join TOKEN enters one`,
    );
  }
}
