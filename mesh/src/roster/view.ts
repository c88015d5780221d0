import { createHash } from "node:crypto";
import type { AddressBytes } from "../ip/address.js";
import type { Prefix } from "../ip/prefix.js";
import { formatKey } from "../wireguard-key.js";
import { isAssignable, nextFree, numberOf, ulaOf, ulaPrefix } from "./addresses.js";
import { authorityOf } from "./admins.js";
import { carriersOf, type RefusedRoute } from "./carriers.js";
import { type Claim, type ClaimedRoute, claimsOf } from "./claims.js";
import { MAX_NAME_LENGTH } from "./member-name.js";
import { rulesOf } from "./reach.js";
import type { Entry, Roster } from "./roster.js";
import type { Rule } from "./rule.js";

/** The maximum number of members of a network. Further ones wait until some are removed. */
export const MAX_MEMBERS = 1000;

/** A member, according to the statements that count. */
export interface Member {
  /** The member's WireGuard key, in base64. */
  readonly publicKey: string;
  /** The member's unique name. */
  readonly name: string;
  /** The member's unique addresses in the overlay: IPv4 if the network has such addresses, then IPv6. */
  readonly addresses: readonly AddressBytes[];
  /** The member's signing key, in base64. */
  readonly signer: string;
  readonly isAdmin: boolean;
  /** The groups of the member, sorted. */
  readonly groups: readonly string[];
  /** The subnets behind the member that it carries for others. No two members carry the same prefix. */
  readonly routes: readonly Prefix[];
  /** Whether the member may relay. Its owner must want it, too. */
  readonly mayRelay: boolean;
  /** The time of admission by the admin's clock, in Unix ms. */
  readonly since: number;
}

/** The result of a roster's statements. */
export interface View {
  /** The network's name. */
  readonly name: string;
  readonly prefix: Prefix | undefined;
  /** The members by WireGuard key in base64, in the order of admission. */
  readonly members: ReadonlyMap<string, Member>;
  /** The WireGuard keys that are not members any more and never will be again, with the last names of their members. */
  readonly removed: ReadonlyMap<string, string>;
  /** Those of the removed keys that were replaced, each with the member's new key. */
  readonly replaced: ReadonlyMap<string, string>;
  /** The signing keys of the admins, in base64. */
  readonly admins: ReadonlySet<string>;
  /** The rules; undefined when everybody may reach everybody. */
  readonly rules: readonly Rule[] | undefined;
  /** The subnets that members should carry and do not, by WireGuard key in base64. */
  readonly refusedRoutes: readonly RefusedRoute<string>[];
}

/**
 * The result of a roster's statements. It depends only on the set of statements, not on the order in which they came.
 *
 * The removal of a WireGuard key is final, and so is its replacement by another key. With a new key a member keeps its
 * name, its addresses and its roles. Of several statements about one member, the last one in the order of the roster
 * counts. If two members have the same name or address, the one that was admitted first keeps it. The other one gets a
 * name or address that follows from its key.
 */
export function viewOf(roster: Roster): View {
  const entries = roster.entries();
  const limits = authorityOf(roster.founding.admin, entries);
  const valid = entries.filter(({ admin, statement }) => statement.counter <= (limits.get(admin) ?? 0));
  const { claims, refused } = claimsOf(valid);
  const admins = new Set(
    [...limits].flatMap(([admin, most]) => (most === Number.POSITIVE_INFINITY ? [admin] : [])),
  );
  const { name = "", prefix } = roster.founding.statement.fields;
  const members = new Map<string, Member>();
  const routes = new Map<string, readonly ClaimedRoute[]>();
  const replaced = new Map<string, string>();
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
    const key = claim.keys.at(-1) ?? claim.first.subject;
    routes.set(key, claim.routes);
    for (const former of claim.keys.slice(0, -1)) replaced.set(former, key);
    members.set(key, {
      publicKey: key,
      name: ownName ?? key,
      addresses: [
        ...(address === undefined
          ? []
          : [Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address)]),
        ulaOf(roster.network, claim.first.statement.subject),
      ],
      signer,
      isAdmin: admins.has(signer),
      groups: claim.groups,
      routes: [],
      mayRelay: claim.mayRelay,
      since: claim.first.statement.time,
    });
  }
  const gone = claims.flatMap(({ keys, removal, last }) =>
    (removal === undefined ? keys.slice(0, -1) : keys).map(
      (key) => [key, last.statement.fields.name ?? ""] as const,
    ),
  );
  const nobodys = [...refused].map((key) => [key, ""] as const);
  const removed = new Map([...nobodys, ...removalsOf(valid), ...gone]);
  const carriers = carriersOf(routes, [...(prefix === undefined ? [] : [prefix]), ulaPrefix(roster.network)]);
  for (const [key, carried] of carriers.routes) {
    const member = members.get(key);
    if (member !== undefined) members.set(key, { ...member, routes: carried });
  }
  const refusedRoutes = carriers.refused;
  return { name, prefix, members, removed, replaced, admins, rules: rulesOf(valid), refusedRoutes };
}

/** A removed key need not have been admitted, or only by an admin that does not count. */
function removalsOf(valid: readonly Entry[]): [string, string][] {
  return valid.flatMap(({ statement, subject }) => (statement.kind === "remove" ? [[subject, ""]] : []));
}

/** The owners of names or addresses, which must be unique. */
class Table<T> {
  readonly #owners = new Map<T, Claim[]>();

  /** @returns the wanted value, or a replacement */
  claim(wanted: T, claim: Claim, another: (isTaken: (one: T) => boolean) => T | undefined): T | undefined {
    const isTaken = (one: T): boolean => (this.#owners.get(one) ?? []).some((owner) => meets(owner, claim));
    const got = isTaken(wanted) ? another(isTaken) : wanted;
    if (got !== undefined) this.#owners.set(got, [...(this.#owners.get(got) ?? []), claim]);
    return got;
  }
}

/**
 * Whether two hosts were members at the same time, as far as the author of the later one's last statement knew. A
 * replacement stays with its member after the other member is removed.
 */
function meets({ removal }: Claim, later: Claim): boolean {
  return removal === undefined || removal.statement.lamport >= later.last.statement.lamport;
}

/** The name with a part of the first key's hash. */
function otherName(name: string, { first }: Claim, isTaken: (name: string) => boolean): string | undefined {
  const hash = createHash("sha256").update(first.subject).digest("hex");
  for (let length = 4; length <= 32; length += 4) {
    const other = `${name.slice(0, MAX_NAME_LENGTH - 1 - length)}-${hash.slice(0, length)}`;
    if (!isTaken(other)) return other;
  }
  return undefined;
}

/** The first free address, from an offset that follows from the first key's hash. */
function otherAddress(
  prefix: Prefix,
  { first }: Claim,
  isTaken: (address: number) => boolean,
): number | undefined {
  const start = createHash("sha256").update(first.subject).digest().readUInt32BE(0);
  const free = nextFree(prefix, isTaken, start);
  return free && numberOf(free);
}
