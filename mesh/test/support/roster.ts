import { createHash } from "node:crypto";
import { parsePrefix } from "../../src/ip/prefix.js";
import type { Roles } from "../../src/membership/role-texts.js";
import { Roster } from "../../src/roster/roster.js";
import { parseRule } from "../../src/roster/rule.js";
import { SigningKey } from "../../src/roster/signing-key.js";
import { type View, viewOf } from "../../src/roster/view.js";
import { formatKey, KEY_BYTES, parseKey } from "../../src/wireguard-key.js";

/** 32 bytes that follow from a text: a WireGuard key, or a seed. */
export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(text).digest());
}

/** The WireGuard key of somebody in tests, base64. */
export function keyOf(name: string): string {
  return formatKey(bytesOf(name));
}

export function signerOf(name: string): SigningKey {
  return new SigningKey(bytesOf(`signer of ${name}`));
}

/** A network that `ann` has founded. */
export function foundedBy(name: string): Roster {
  const prefix = { address: Uint8Array.of(10, 9, 0, 0), bits: 24 };
  const roster = Roster.found(signerOf(name), { name: "office", prefix }, 1);
  admit(roster, name, name, 1);
  return roster;
}

/** One admin says that somebody is a member. */
export function admit(
  roster: Roster,
  admin: string,
  name: string,
  last: number,
  called: string = name,
): void {
  const fields = {
    name: called,
    address: Uint8Array.of(10, 9, 0, last),
    signer: signerOf(name).publicKey,
  };
  if (roster.write(signerOf(admin), "member", bytesOf(name), fields, 1) === undefined)
    throw new Error(`${admin} cannot admit ${name}`);
}

export function remove(roster: Roster, admin: string, name: string): void {
  if (roster.write(signerOf(admin), "remove", bytesOf(name), {}, 1) === undefined)
    throw new Error(`${admin} cannot remove ${name}`);
}

export function promote(roster: Roster, admin: string, name: string): void {
  if (roster.write(signerOf(admin), "admin", signerOf(name).publicKey, {}, 1) === undefined)
    throw new Error(`${admin} cannot promote ${name}`);
}

/** @param last - default: all that is known of it */
export function demote(roster: Roster, admin: string, name: string, last?: number): void {
  const { publicKey } = signerOf(name);
  const fields = { last: last ?? roster.counterOf(formatKey(publicKey)) };
  if (roster.write(signerOf(admin), "remove-admin", publicKey, fields, 1) === undefined)
    throw new Error(`${admin} cannot demote ${name}`);
}

/** One admin says what a member is besides its name. @param routes - as text */
export function giveRoles(
  roster: Roster,
  admin: string,
  name: string,
  { groups, routes, relay }: Roles,
): void {
  const fields = { groups, routes: routes?.flatMap((one) => parsePrefix(one) ?? []), relay };
  if (roster.write(signerOf(admin), "roles", bytesOf(name), fields, 1) === undefined)
    throw new Error(`${admin} cannot give ${name} roles`);
}

/** One admin makes a rule, such as `web -> db`. */
export function allow(roster: Roster, admin: string, rule: string): void {
  sayRule(roster, admin, "allow", rule);
}

export function disallow(roster: Roster, admin: string, rule: string): void {
  sayRule(roster, admin, "disallow", rule);
}

function sayRule(roster: Roster, admin: string, kind: "allow" | "disallow", rule: string): void {
  const fields = { rule: parseRule(rule) };
  if (roster.write(signerOf(admin), kind, new Uint8Array(KEY_BYTES), fields, 1) === undefined)
    throw new Error(`${admin} cannot ${kind} ${rule}`);
}

/** Another one with the same statements. */
export function copyOf(roster: Roster): Roster {
  const copy = Roster.from(roster.founding.bytes);
  if (copy === undefined) throw new Error("it founds no network");
  give(roster, copy);
  return copy;
}

/** One gets what it lacks from the other, in the way that members do it. */
export function give(from: Roster, to: Roster): void {
  for (const { bytes } of from.missing(to.marks())) to.add(bytes);
}

/** A view in a form that can be compared: members by key, with their names and addresses. */
export function shown(roster: Roster): unknown {
  const { members, removed, admins, rules, refusedRoutes }: View = viewOf(roster);
  return {
    ...{ rules, refusedRoutes },
    members: [...members.values()].map((one) => ({ ...one, addresses: one.addresses.map(String) })),
    removed: [...removed.keys()].toSorted(),
    admins: [...admins].toSorted(),
  };
}

/** Names of members, in order. */
export function namesIn(roster: Roster): string[] {
  return [...viewOf(roster).members.values()].map(({ name }) => name).toSorted();
}

/** Names of those whose signing keys are admins'. */
export function adminsIn(roster: Roster, names: readonly string[]): string[] {
  const { admins } = viewOf(roster);
  return names.filter((name) => admins.has(formatKey(signerOf(name).publicKey)));
}

/** One admin gives a member another key. @param to - what {@link bytesOf} makes the new key of */
export function replace(roster: Roster, admin: string, name: string, to: string): void {
  const member = viewOf(roster).members.get(keyOf(name));
  const fields = {
    name: member?.name ?? name,
    address: member?.addresses.find((one) => one.length === 4),
    signer: member === undefined ? signerOf(name).publicKey : parseKey(member.signer),
    replaces: bytesOf(name),
  };
  if (roster.write(signerOf(admin), "member", bytesOf(to), fields, 1) === undefined)
    throw new Error(`${admin} cannot replace ${name}`);
}
