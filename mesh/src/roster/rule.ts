import { isName } from "./member-name.js";

/** The maximum number of groups that one member may be in: all names fit a record of a statement. */
export const MAX_GROUPS = 8;
export const MAX_GROUP_LENGTH = 30;

/** Members of the group `from` may reach members of the group `to`. `*` means everybody. */
export interface Rule {
  readonly from: string;
  readonly to: string;
}

/** Everybody, as one side of a rule. */
export const EVERYBODY = "*";

/** Whether a group may have this name. The rules are those for names of members, but with a shorter maximum length. */
export function isGroup(text: string): boolean {
  return text.length <= MAX_GROUP_LENGTH && isName(text);
}

/** Reads a rule from text, such as `web -> db`. Spaces do not matter. */
export function parseRule(text: string): Rule | undefined {
  const [from = "", to = "", ...more] = text.split("->").map((side) => side.trim());
  const isSide = (side: string): boolean => side === EVERYBODY || isGroup(side);
  return isSide(from) && isSide(to) && more.length === 0 ? { from, to } : undefined;
}

/** A rule in canonical text. */
export function formatRule({ from, to }: Rule): string {
  return `${from} -> ${to}`;
}

/** Groups in canonical text: sorted, each once, separated by commas. */
export function formatGroups(groups: readonly string[]): string {
  return [...new Set(groups)].toSorted().join(",");
}

/**
 * Reads groups from {@link formatGroups}; undefined for any other spelling, and for more groups than a member may have.
 */
export function parseGroups(text: string): string[] | undefined {
  const groups = text === "" ? [] : text.split(",");
  const isRight = groups.length <= MAX_GROUPS && groups.every(isGroup) && formatGroups(groups) === text;
  return isRight ? groups : undefined;
}
