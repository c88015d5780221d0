import type { BrokerPool } from "sidewire";
import type { InterfaceAddress } from "../device/create.js";
import { MeshError } from "../errors.js";
import type { Entry } from "../roster/roster.js";
import type { Fields, Sayable } from "../roster/statement.js";
import type { Member, View } from "../roster/view.js";
import { formatKey } from "../wireguard-key.js";
import type { RosterFile } from "./roster-file.js";

/** The host, whether it is in a network or not. */
export interface PlaceMeans {
  readonly interface: string;
  readonly file: RosterFile;
  /** The brokers in a token; undefined for the public ones. */
  readonly brokers: BrokerPool | undefined;
  readonly getTime: () => number;
  /** Returns the own WireGuard keys, 32 bytes each. */
  readonly keys: () => { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array } | undefined;
  /** Returns the addresses of the interface. */
  readonly addresses: () => Promise<readonly InterfaceAddress[]>;
  readonly onWarning: (message: string) => void;
}

/** Writes statements, applies them, and tells the others. */
export type Changed = (said: readonly Entry[]) => Promise<void>;

/** What this host knows of its network and of its own role. Members are named by their WireGuard keys in base64. */
export class Place {
  readonly means: PlaceMeans;
  /** The result of the roster's statements; undefined without a network. */
  view: View | undefined;

  constructor(means: PlaceMeans) {
    this.means = means;
  }

  /** The signing key of this host, in base64. */
  get signer(): string {
    return formatKey(this.means.file.key.publicKey);
  }

  /** The own WireGuard key in the roster, in base64. During a change of the key, this may be the new key already. */
  get ownKey(): string | undefined {
    const keys = this.means.keys();
    if (keys === undefined) return undefined;
    const own = formatKey(keys.publicKey);
    return this.view?.replaced.get(own) ?? own;
  }

  /** The members besides this host. */
  others(): Member[] {
    const { ownKey } = this;
    return [...(this.view?.members.values() ?? [])].filter(({ publicKey }) => publicKey !== ownKey);
  }

  /** The name of a member, or the key of another host. */
  nameOf(publicKey: string): string {
    return this.view?.members.get(publicKey)?.name ?? publicKey;
  }

  /** Whether a member is this host. */
  isSelf({ publicKey }: Member): boolean {
    return publicKey === this.ownKey;
  }

  /**
   * Finds a member by its name, its key or the beginning of its key.
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

  /** Makes a statement as an admin. */
  say(kind: Sayable, subject: Uint8Array, fields: Fields): Entry {
    const { file, getTime } = this.means;
    const entry = file.roster?.write(file.key, kind, subject, fields, getTime());
    if (entry !== undefined) return entry;
    throw new MeshError("CONFLICT", "the roster has no room for more: found a new network");
  }

  /** The error of a host that is in no network. */
  noNetwork(): MeshError {
    return new MeshError(
      "NO_NETWORK",
      `${this.means.interface} is in no network: sidewire-mesh invite founds one, sidewire-mesh join TOKEN enters one`,
    );
  }
}
