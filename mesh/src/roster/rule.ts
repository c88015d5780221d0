import { isName } from "./member-name.js";

/** Groups that one member may be in: all their names fit a record of a statement. */
export const MAX_GROUPS = 8;
export const MAX_GROUP_LENGTH = 30;

/** Who is in the group `from` may reach who is in the group `to`; `*`: everybody. */
export interface Rule {
  readonly from: string;
  readonly to: string;
}

/** Everybody, as one side of a rule. */
export const EVERYBODY = "*";

/** Whether a group may be called so: as a member, but shorter. */
export function isGroup(text: string): boolean {
  return text.length <= MAX_GROUP_LENGTH && isName(text);
}

/** A rule from its text, such as `web -> db`; spaces do not matter. */
export function parseRule(text: string): Rule | undefined {
  const [from = "", to = "", ...more] = text.split("->").map((side) => side.trim());
  const isSide = (side: string): boolean => side === EVERYBODY || isGroup(side);
  return isSide(from) && isSide(to) && more.length === 0 ? { from, to } : undefined;
}

/** The one spelling of a rule. */
export function formatRule({ from, to }: Rule): string {
  return `${from} -> ${to}`;
}

/** Groups in their one spelling: in order, each once, with commas between them. */
export function formatGroups(groups: readonly string[]): string {
  return [...new Set(groups)].toSorted().join(",");
}

/** Groups from {@link formatGroups}; undefined for any other spelling, and for more than a member may be in. */
export function parseGroups(text: string): string[] | undefined {
  const groups = text === "" ? [] : text.split(",");
  const isRight = groups.length <= MAX_GROUPS && groups.every(isGroup) && formatGroups(groups) === text;
  return isRight ? groups : undefined;
}
