import { createHash } from "node:crypto";
import type { AddressBytes } from "../ip/address.js";
import type { Prefix } from "../ip/prefix.js";
import { formatKey } from "../wireguard-key.js";
import { isAssignable, nextFree, numberOf, ulaOf } from "./addresses.js";
import { authorityOf } from "./admins.js";
import { MAX_NAME_LENGTH } from "./member-name.js";
import type { Entry, Roster } from "./roster.js";

/** Members that a network may have at once: further ones wait until some are removed. */
export const MAX_MEMBERS = 1000;

/** A member, as the statements that count have it. */
export interface Member {
  /** Its WireGuard key, base64. */
  readonly publicKey: string;
  /** No other member has it. */
  readonly name: string;
  /** Its addresses in the overlay, which no other member has: IPv4 where the network has such, then IPv6. */
  readonly addresses: readonly AddressBytes[];
  /** The key that it signs by, base64. */
  readonly signer: string;
  readonly isAdmin: boolean;
  /** When it was admitted, by the admin's clock, Unix ms. */
  readonly since: number;
}

/** What the statements of a roster come to. */
export interface View {
  /** The network's name. */
  readonly name: string;
  readonly prefix: Prefix | undefined;
  /** By WireGuard key, base64; in the order in which they were admitted. */
  readonly members: ReadonlyMap<string, Member>;
  /** WireGuard keys that are members no more, and never will be again, with their last names. */
  readonly removed: ReadonlyMap<string, string>;
  /** Signing keys of admins, base64. */
  readonly admins: ReadonlySet<string>;
}

/** Somebody that was admitted, whether or not it is a member still. */
interface Claim {
  readonly key: string;
  readonly first: Entry;
  readonly last: Entry;
  readonly removal: Entry | undefined;
}

/**
 * What the statements of a roster come to. It depends on the set of them alone, not on the order in which they came.
 *
 * The removal of a WireGuard key is final. Of several statements about one member the last in the order of the roster
 * counts. When two have one name or one address, the one that was admitted first keeps it, and the other gets one that
 * follows from its key.
 */
export function viewOf(roster: Roster): View {
  const entries = roster.entries();
  const limits = authorityOf(roster.founding.admin, entries);
  const valid = entries.filter(({ admin, statement }) => statement.counter <= (limits.get(admin) ?? 0));
  const claims = claimsOf(valid);
  const admins = new Set(
    [...limits].flatMap(([admin, most]) => (most === Number.POSITIVE_INFINITY ? [admin] : [])),
  );
  const { name = "", prefix } = roster.founding.statement.fields;
  const members = new Map<string, Member>();
  const names = new Table<string>();
  const addresses = new Table<number>();
  for (const claim of claims) {
    const { fields } = claim.last.statement;
    const ownName = names.claim(fields.name ?? "", claim, (isTaken) =>
      otherName(fields.name ?? "", claim, isTaken),
    );
    const wanted =
      prefix !== undefined && fields.address !== undefined && isAssignable(prefix, fields.address)
        ? numberOf(fields.address)
        : undefined;
    const address =
      wanted === undefined || prefix === undefined
        ? undefined
        : addresses.claim(wanted, claim, (isTaken) => otherAddress(prefix, claim, isTaken));
    if (claim.removal !== undefined || members.size >= MAX_MEMBERS) continue;
    const signer = formatKey(fields.signer ?? new Uint8Array());
    members.set(claim.key, {
      publicKey: claim.key,
      name: ownName ?? claim.key,
      addresses: [
        ...(address === undefined
          ? []
          : [Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address)]),
        ulaOf(roster.network, claim.first.statement.subject),
      ],
      signer,
      isAdmin: admins.has(signer),
      since: claim.first.statement.time,
    });
  }
  const removed = claims.flatMap(({ key, removal, last }) =>
    removal === undefined ? [] : [[key, last.statement.fields.name ?? ""] as const],
  );
  return { name, prefix, members, removed: new Map([...removalsOf(valid), ...removed]), admins };
}

/** Everybody that was admitted, in the order of it. */
function claimsOf(valid: readonly Entry[]): Claim[] {
  const removals = new Map<string, Entry>();
  for (const entry of valid)
    if (entry.statement.kind === "remove" && !removals.has(entry.subject)) removals.set(entry.subject, entry);
  const claims = new Map<string, Claim>();
  for (const entry of valid) {
    if (entry.statement.kind !== "member") continue;
    const { subject: key } = entry;
    const first = claims.get(key)?.first ?? entry;
    claims.set(key, { key, first, last: entry, removal: removals.get(key) });
  }
  return [...claims.values()];
}

/** A key may be removed that was never admitted, or not by somebody who counts. */
function removalsOf(valid: readonly Entry[]): [string, string][] {
  return valid.flatMap(({ statement, subject }) => (statement.kind === "remove" ? [[subject, ""]] : []));
}

/** Who has what, of things that one member alone can have. */
class Table<T> {
  readonly #owners = new Map<T, Claim[]>();

  /** @returns what was wanted, or what takes its place */
  claim(wanted: T, claim: Claim, another: (isTaken: (one: T) => boolean) => T | undefined): T | undefined {
    const isTaken = (one: T): boolean => (this.#owners.get(one) ?? []).some((owner) => meets(owner, claim));
    const got = isTaken(wanted) ? another(isTaken) : wanted;
    if (got !== undefined) this.#owners.set(got, [...(this.#owners.get(got) ?? []), claim]);
    return got;
  }
}

/**
 * Whether two were members at one time, as far as whoever wrote of the later one last knew. What a member got in the place of
 * what was taken stays with it after the other one is removed.
 */
function meets({ removal }: Claim, later: Claim): boolean {
  return removal === undefined || removal.statement.lamport >= later.last.statement.lamport;
}

/** The name, and some of the key's hash. */
function otherName(name: string, { key }: Claim, isTaken: (name: string) => boolean): string | undefined {
  const hash = createHash("sha256").update(key).digest("hex");
  for (let length = 4; length <= 32; length += 4) {
    const other = `${name.slice(0, MAX_NAME_LENGTH - 1 - length)}-${hash.slice(0, length)}`;
    if (!isTaken(other)) return other;
  }
  return undefined;
}

/** The first that is free from the place on that the key's hash says. */
function otherAddress(
  prefix: Prefix,
  { key }: Claim,
  isTaken: (address: number) => boolean,
): number | undefined {
  const start = createHash("sha256").update(key).digest().readUInt32BE(0);
  const free = nextFree(prefix, isTaken, start);
  return free && numberOf(free);
}
