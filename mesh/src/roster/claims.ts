import { formatPrefix, type Prefix } from "../ip/prefix.js";
import { formatKey } from "../wireguard-key.js";
import type { Entry } from "./roster.js";

/** A host that was admitted, whether or not it is still a member. */
export interface Claim {
  /** Its WireGuard keys in base64, from the first to the current one. */
  readonly keys: readonly string[];
  readonly first: Entry;
  readonly last: Entry;
  readonly removal: Entry | undefined;
  readonly groups: readonly string[];
  readonly routes: readonly ClaimedRoute[];
  /** Whether the host may relay. True until an admin forbids it. */
  readonly mayRelay: boolean;
}

/** A subnet that an admin has given to a member. */
export interface ClaimedRoute {
  readonly prefix: Prefix;
  /** Since which statement the member has had it without a break: as the index among the statements that count. */
  readonly since: number;
}

/** The hosts that were admitted, and the keys that could not replace another key. */
export interface Claims {
  /** In the order of admission. */
  readonly claims: readonly Claim[];
  /** In base64. */
  readonly refused: ReadonlySet<string>;
}

/**
 * All hosts that were admitted, in that order.
 *
 * A key is replaced only once. If two keys should replace the same key, the key of the first statement wins, and the
 * other key is refused for good. Removing any of its keys removes a member, because the removing admin may not know the
 * newest key.
 * @param valid - the statements that count, in the order of the roster
 */
export function claimsOf(valid: readonly Entry[]): Claims {
  const all: Started[] = [];
  const byKey = new Map<string, Started>();
  const refused = new Set<string>();
  for (const [at, entry] of valid.entries()) {
    const { subject } = entry;
    if (entry.statement.kind === "roles") giveRoles(byKey.get(subject), entry, at);
    if (entry.statement.kind !== "member") continue;
    const { replaces } = entry.statement.fields;
    const there = byKey.get(subject);
    const replaced = replaces && formatKey(replaces);
    const before = replaced === undefined ? undefined : byKey.get(replaced);
    if (there !== undefined) {
      if (replaced === undefined || before === there) there.last = entry;
    } else if (before !== undefined && before.keys.at(-1) === replaced) {
      before.keys.push(subject);
      before.last = entry;
      byKey.set(subject, before);
      refused.delete(subject);
    } else if (replaced !== undefined) refused.add(subject);
    else if (!refused.has(subject)) {
      const claim = { keys: [subject], first: entry, last: entry, groups: [], routes: [], mayRelay: true };
      all.push(claim);
      byKey.set(subject, claim);
    }
  }
  const removals = new Map<string, number>();
  for (const [at, { statement, subject }] of valid.entries())
    if (statement.kind === "remove" && !removals.has(subject)) removals.set(subject, at);
  const claims = all.map((claim): Claim => {
    const at = Math.min(...claim.keys.map((key) => removals.get(key) ?? Number.POSITIVE_INFINITY));
    return { ...claim, removal: valid[at] };
  });
  return { claims, refused };
}

/** A claim that later statements may still change. */
interface Started {
  readonly keys: string[];
  readonly first: Entry;
  last: Entry;
  groups: readonly string[];
  routes: readonly ClaimedRoute[];
  mayRelay: boolean;
}

/** Sets roles. Missing fields stay unchanged. A route that stays keeps its start. */
function giveRoles(claim: Started | undefined, { statement }: Entry, at: number): void {
  if (claim === undefined) return;
  const { groups = claim.groups, relay = claim.mayRelay, routes } = statement.fields;
  claim.groups = groups;
  claim.mayRelay = relay;
  if (routes === undefined) return;
  const before = new Map(claim.routes.map(({ prefix, since }) => [formatPrefix(prefix), since]));
  claim.routes = routes.map((prefix) => ({ prefix, since: before.get(formatPrefix(prefix)) ?? at }));
}
