import type { Entry } from "./roster.js";
import { EVERYBODY, formatRule, type Rule } from "./rule.js";

/** The maximum number of rules of a network. Further rules have no effect. */
export const MAX_RULES = 256;

/**
 * The rules that hold. For each rule, the last statement counts, so two admins who act at the same time lose nothing.
 * Once any rule was made, everything is forbidden that no rule allows. So removing a rule never allows anything.
 * @param valid - the statements that count, in the order of the roster
 * @returns the rules in the order in which they were made; undefined when there was never a rule: then everybody may
 * reach everybody
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

/** Which members a member may reach, and which may reach it. */
export class Reach {
  readonly #to: ReadonlySet<string> | undefined;
  readonly #from: ReadonlySet<string> | undefined;

  /** @param groups - the member's groups */
  constructor(rules: readonly Rule[] | undefined, groups: readonly string[]) {
    const own = new Set([EVERYBODY, ...groups]);
    this.#to = rules && new Set(rules.flatMap(({ from, to }) => (own.has(from) ? [to] : [])));
    this.#from = rules && new Set(rules.flatMap(({ from, to }) => (own.has(to) ? [from] : [])));
  }

  /** Whether the member may reach another one with these groups. */
  reaches(groups: readonly string[]): boolean {
    return isAmong(groups, this.#to);
  }

  /** Whether one of the two members may reach the other. Then they are peers, because the reached one has to answer. */
  meets(groups: readonly string[]): boolean {
    return this.reaches(groups) || isAmong(groups, this.#from);
  }
}

function isAmong(groups: readonly string[], sides: ReadonlySet<string> | undefined): boolean {
  return sides === undefined || sides.has(EVERYBODY) || groups.some((group) => sides.has(group));
}
