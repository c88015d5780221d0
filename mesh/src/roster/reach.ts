import type { Entry } from "./roster.js";
import { EVERYBODY, formatRule, type Rule } from "./rule.js";

/** Rules that a network may have at once; further ones let nobody reach anybody. */
export const MAX_RULES = 256;

/**
 * The rules that hold: for each one, what was said of it last counts, so two admins who act at once lose nothing of each
 * other. Once a rule was ever made, whatever no rule allows is not allowed: to take a rule away never opens anything.
 * @param valid - the statements that count, in the order of the roster
 * @returns in the order in which they were made; undefined when none ever was: everybody may reach everybody
 */
export function rulesOf(valid: readonly Entry[]): readonly Rule[] | undefined {
  const rules = new Map<string, Rule>();
  let hasAny = false;
  for (const { statement } of valid) {
    const { rule } = statement.fields;
    if (rule === undefined) continue;
    if (statement.kind === "disallow") rules.delete(formatRule(rule));
    if (statement.kind !== "allow") continue;
    hasAny = true;
    rules.set(formatRule(rule), rule);
  }
  return hasAny ? [...rules.values()].slice(0, MAX_RULES) : undefined;
}

/** Whom a member may reach, and by whom it may be reached. */
export class Reach {
  readonly #to: ReadonlySet<string> | undefined;
  readonly #from: ReadonlySet<string> | undefined;

  /** @param groups - of the member */
  constructor(rules: readonly Rule[] | undefined, groups: readonly string[]) {
    const own = new Set([EVERYBODY, ...groups]);
    this.#to = rules && new Set(rules.flatMap(({ from, to }) => (own.has(from) ? [to] : [])));
    this.#from = rules && new Set(rules.flatMap(({ from, to }) => (own.has(to) ? [from] : [])));
  }

  /** Whether the member may reach one that is in these groups. */
  reaches(groups: readonly string[]): boolean {
    return isAmong(groups, this.#to);
  }

  /** Whether one of the two may reach the other: then they are peers, since who is reached has to answer. */
  meets(groups: readonly string[]): boolean {
    return this.reaches(groups) || isAmong(groups, this.#from);
  }
}

function isAmong(groups: readonly string[], sides: ReadonlySet<string> | undefined): boolean {
  return sides === undefined || sides.has(EVERYBODY) || groups.some((group) => sides.has(group));
}
