/** What the command asks a daemon about its network, and what it is answered; both sides check it. */
import * as z from "zod/mini";
import { MAX_NAME_LENGTH } from "../roster/member-name.js";
import { MAX_USES } from "./roster-file.js";

/** The longest time that an invitation is open, s. */
export const MAX_EXPIRES_S: number = 365 * 86_400;

/** `name`: a member's name, its WireGuard key, or the beginning of that. */
export type MembershipRequest =
  | {
      readonly do: "invite";
      readonly uses: number;
      readonly expiresS: number;
      readonly approve: boolean;
      readonly network?: string | undefined;
      readonly name?: string | undefined;
      /** Of those who join by it. */
      readonly groups?: readonly string[] | undefined;
      readonly routes?: readonly string[] | undefined;
    }
  | { readonly do: "members" }
  | { readonly do: "approve"; readonly name: string }
  | { readonly do: "remove"; readonly name: string }
  | { readonly do: "rename"; readonly name: string; readonly to: string }
  | { readonly do: "promote"; readonly name: string }
  | { readonly do: "demote"; readonly name: string }
  /** All groups that a member is in, all subnets that it carries, whether it may relay; what is left out stays as it is. */
  | {
      readonly do: "set";
      readonly name: string;
      readonly groups?: readonly string[] | undefined;
      readonly routes?: readonly string[] | undefined;
      readonly relay?: boolean | undefined;
    }
  /** `rule`: as in `web -> db`. */
  | { readonly do: "allow"; readonly rule: string }
  | { readonly do: "disallow"; readonly rule: string }
  /** A new WireGuard key for this host. */
  | { readonly do: "rotate-key" };

/** A member, as people are told of it. */
export interface MemberInfo {
  /** base64. */
  readonly publicKey: string;
  readonly name: string;
  /** In the overlay. */
  readonly addresses: readonly string[];
  readonly isAdmin: boolean;
  readonly groups: readonly string[];
  /** Subnets behind it that it carries. */
  readonly routes: readonly string[];
  /** An admin lets it relay for others; its owner has to want it, too. */
  readonly mayRelay: boolean;
  /** It is this host. */
  readonly isSelf: boolean;
  /** Unix ms. */
  readonly since: number;
}

/** A network, as people are told of it. */
export interface NetworkInfo {
  readonly name: string;
  /** 32 hex characters. */
  readonly id: string;
  /** This host is an admin. */
  readonly isAdmin: boolean;
  readonly members: readonly MemberInfo[];
  /** Who may reach whom, as in `web -> db`; undefined: everybody may reach everybody. */
  readonly rules?: readonly string[] | undefined;
  /** Who waits for `approve` here. */
  readonly waiting: readonly { readonly name: string; readonly publicKey: string }[];
  /** What is wrong with rosters that were seen, a sentence each. */
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
      /** What else was done, a sentence each. */
      readonly notes: readonly string[];
    }
  | { readonly did: "members"; readonly network: NetworkInfo }
  /** A sentence. */
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
