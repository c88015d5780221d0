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
  /** Groups that it is in, in order. */
  readonly groups: readonly string[];
  /** Subnets behind it that it carries for others. No two members carry one prefix. */
  readonly routes: readonly Prefix[];
  /** It may relay, if its owner wants that, too. */
  readonly mayRelay: boolean;
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
  /** WireGuard keys that are members no more, and never will be again, with the last names of whose they were. */
  readonly removed: ReadonlyMap<string, string>;
  /** Those of them whose members have a new key, with that one. */
  readonly replaced: ReadonlyMap<string, string>;
  /** Signing keys of admins, base64. */
  readonly admins: ReadonlySet<string>;
  /** Who may reach whom; undefined: everybody may reach everybody. */
  readonly rules: readonly Rule[] | undefined;
  /** Subnets that members were given and do not carry, by WireGuard key, base64. */
  readonly refusedRoutes: readonly RefusedRoute<string>[];
}

/**
 * What the statements of a roster come to. It depends on the set of them alone, not on the order in which they came.
 *
 * The removal of a WireGuard key is final, and so is its replacement by another one, with which the member keeps its name,
 * its addresses and what it may do. Of several statements about one member the last in the order of the roster
 * counts. When two have one name or one address, the one that was admitted first keeps it, and the other gets one that
 * follows from its key.
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

/** The name, and some of the first key's hash. */
function otherName(name: string, { first }: Claim, isTaken: (name: string) => boolean): string | undefined {
  const hash = createHash("sha256").update(first.subject).digest("hex");
  for (let length = 4; length <= 32; length += 4) {
    const other = `${name.slice(0, MAX_NAME_LENGTH - 1 - length)}-${hash.slice(0, length)}`;
    if (!isTaken(other)) return other;
  }
  return undefined;
}

/** The first that is free from the place on that the first key's hash says. */
function otherAddress(
  prefix: Prefix,
  { first }: Claim,
  isTaken: (address: number) => boolean,
): number | undefined {
  const start = createHash("sha256").update(first.subject).digest().readUInt32BE(0);
  const free = nextFree(prefix, isTaken, start);
  return free && numberOf(free);
}
