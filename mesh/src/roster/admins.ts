import type { Entry } from "./roster.js";

/**
 * The last statement of each admin that counts, by its signing key in base64. Infinity for a current admin.
 *
 * An admin's rank is its place in the order in which admins were made; the founder has the highest rank. Removals by
 * higher ranks are applied first. So when two admins remove each other, the one with the higher rank stays. Statements
 * of a removed admin after the last valid one count for nothing, and so do the ranks that it gave in them. If all
 * admins would be removed, the one that was removed last stays.
 * @param entries - in the order of the roster
 */
export function authorityOf(founder: string, entries: readonly Entry[]): Map<string, number> {
  const ranks = ranksOf(founder, entries);
  const rankOf = new Map(ranks.map((admin, rank) => [admin, rank]));
  const removals = entries.filter(({ statement }) => statement.kind === "remove-admin");
  const limits = new Map<string, number>([[founder, Number.POSITIVE_INFINITY]]);
  const counts = ({ admin, statement }: Entry): boolean => statement.counter <= (limits.get(admin) ?? 0);
  const isMade = (admin: string): boolean =>
    admin === founder ||
    entries.some((entry) => entry.statement.kind === "admin" && entry.subject === admin && counts(entry));
  const limit = (removal: Entry): void => {
    const { subject, statement } = removal;
    if (counts(removal)) limits.set(subject, Math.min(limits.get(subject) ?? 0, statement.fields.last ?? 0));
  };
  const rank = (admin: string): number => rankOf.get(admin) ?? Number.POSITIVE_INFINITY;
  for (const admin of ranks) {
    limits.set(admin, isMade(admin) ? Number.POSITIVE_INFINITY : 0);
    for (const removal of removals)
      if (removal.subject === admin && rank(removal.admin) < rank(admin)) limit(removal);
  }
  const byRank = removals.toSorted((one, other) => rank(one.admin) - rank(other.admin));
  for (const removal of byRank) if (rank(removal.admin) >= rank(removal.subject)) limit(removal);
  for (const admin of ranks) if (!isMade(admin)) limits.set(admin, 0);
  if (![...limits.values()].includes(Number.POSITIVE_INFINITY)) {
    const last = removals.findLast(({ subject }) => (limits.get(subject) ?? 0) > 0);
    limits.set(last?.subject ?? founder, Number.POSITIVE_INFINITY);
  }
  return limits;
}

/** Everybody who was ever made an admin, in that order. An admin comes after the admin that made it. */
function ranksOf(founder: string, entries: readonly Entry[]): string[] {
  const ranks = new Set([founder]);
  for (const { statement, admin, subject } of entries)
    if (statement.kind === "admin" && ranks.has(admin)) ranks.add(subject);
  return [...ranks];
}
