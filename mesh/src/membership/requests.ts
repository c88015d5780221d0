/** The requests of the command about a network, and the daemon's replies. Both sides check them. */
import * as z from "zod/mini";
import { MAX_NAME_LENGTH } from "../roster/member-name.js";
import { MAX_USES } from "./roster-file.js";

/** The maximum time for which an invitation is open, in s. */
export const MAX_EXPIRES_S: number = 365 * 86_400;

/** `name` is a member's name, its WireGuard key, or the beginning of the key. */
export type MembershipRequest =
  | {
      readonly do: "invite";
      readonly uses: number;
      readonly expiresS: number;
      readonly approve: boolean;
      readonly network?: string | undefined;
      readonly name?: string | undefined;
      /** The groups of members that join with this invitation. */
      readonly groups?: readonly string[] | undefined;
      readonly routes?: readonly string[] | undefined;
    }
  | { readonly do: "members" }
  | { readonly do: "approve"; readonly name: string }
  | { readonly do: "remove"; readonly name: string }
  | { readonly do: "rename"; readonly name: string; readonly to: string }
  | { readonly do: "promote"; readonly name: string }
  | { readonly do: "demote"; readonly name: string }
  /**
   * Sets all groups of a member, all subnets that it carries, and whether it may relay. Missing fields stay unchanged.
   */
  | {
      readonly do: "set";
      readonly name: string;
      readonly groups?: readonly string[] | undefined;
      readonly routes?: readonly string[] | undefined;
      readonly relay?: boolean | undefined;
    }
  /** `rule` is a text such as `web -> db`. */
  | { readonly do: "allow"; readonly rule: string }
  | { readonly do: "disallow"; readonly rule: string }
  /** Gives this host a new WireGuard key. */
  | { readonly do: "rotate-key" };

/** A member, as it is shown to people. */
export interface MemberInfo {
  /** The member's public key, in base64. */
  readonly publicKey: string;
  readonly name: string;
  /** The addresses in the overlay. */
  readonly addresses: readonly string[];
  readonly isAdmin: boolean;
  readonly groups: readonly string[];
  /** The subnets behind the member that it carries. */
  readonly routes: readonly string[];
  /** Whether an admin lets the member relay for others. The member's owner must want it, too. */
  readonly mayRelay: boolean;
  /** Whether the member is this host. */
  readonly isSelf: boolean;
  /** Unix ms. */
  readonly since: number;
}

/** A network, as it is shown to people. */
export interface NetworkInfo {
  readonly name: string;
  /** 32 hex characters. */
  readonly id: string;
  /** Whether this host is an admin. */
  readonly isAdmin: boolean;
  readonly members: readonly MemberInfo[];
  /** The rules, such as `web -> db`; undefined when everybody may reach everybody. */
  readonly rules?: readonly string[] | undefined;
  /** The newcomers that wait for `approve` on this host. */
  readonly waiting: readonly { readonly name: string; readonly publicKey: string }[];
  /** Problems of rosters that were seen, one sentence each. */
  readonly troubles: readonly string[];
}

export type MembershipReply =
  | {
      readonly did: "invite";
      readonly token: string;
      readonly network: string;
      /** Unix ms. */
      readonly expires: number;
      readonly uses: number;
      /** What else was done, one sentence each. */
      readonly notes: readonly string[];
    }
  | { readonly did: "members"; readonly network: NetworkInfo }
  /** `text` is a sentence. */
  | { readonly did: "done"; readonly text: string };

const text = z.string().check(z.maxLength(4096));
const who = z.string().check(z.minLength(1), z.maxLength(256));
const name = z.string().check(z.minLength(1), z.maxLength(MAX_NAME_LENGTH));
const words = z.readonly(z.array(z.string().check(z.maxLength(256))).check(z.maxLength(64)));
const rule = z.string().check(z.maxLength(256));

export const membershipRequestSchema: z.ZodMiniType<MembershipRequest> = z.discriminatedUnion("do", [
  z.strictObject({
    do: z.literal("invite"),
    uses: z.int().check(z.minimum(1), z.maximum(MAX_USES)),
    expiresS: z.int().check(z.minimum(1), z.maximum(MAX_EXPIRES_S)),
    approve: z.boolean(),
    network: z.optional(name),
    name: z.optional(name),
    groups: z.optional(words),
    routes: z.optional(words),
  }),
  z.strictObject({ do: z.literal("members") }),
  z.strictObject({ do: z.literal("approve"), name: who }),
  z.strictObject({ do: z.literal("remove"), name: who }),
  z.strictObject({ do: z.literal("rename"), name: who, to: name }),
  z.strictObject({ do: z.literal("promote"), name: who }),
  z.strictObject({ do: z.literal("demote"), name: who }),
  z.strictObject({
    do: z.literal("set"),
    name: who,
    groups: z.optional(words),
    routes: z.optional(words),
    relay: z.optional(z.boolean()),
  }),
  z.strictObject({ do: z.literal("allow"), rule }),
  z.strictObject({ do: z.literal("disallow"), rule }),
  z.strictObject({ do: z.literal("rotate-key") }),
]);

const networkSchema: z.ZodMiniType<NetworkInfo> = z.object({
  name: text,
  id: text,
  isAdmin: z.boolean(),
  members: z.readonly(
    z.array(
      z.object({
        publicKey: text,
        name: text,
        addresses: z.readonly(z.array(text)),
        isAdmin: z.boolean(),
        groups: z.readonly(z.array(text)),
        routes: z.readonly(z.array(text)),
        mayRelay: z.boolean(),
        isSelf: z.boolean(),
        since: z.number(),
      }),
    ),
  ),
  rules: z.optional(z.readonly(z.array(text))),
  waiting: z.readonly(z.array(z.object({ name: text, publicKey: text }))),
  troubles: z.readonly(z.array(text)),
});

export const membershipReplySchema: z.ZodMiniType<MembershipReply> = z.discriminatedUnion("did", [
  z.object({
    did: z.literal("invite"),
    token: text,
    network: text,
    expires: z.number(),
    uses: z.number(),
    notes: z.readonly(z.array(text)),
  }),
  z.object({ did: z.literal("members"), network: networkSchema }),
  z.object({ did: z.literal("done"), text }),
]);
