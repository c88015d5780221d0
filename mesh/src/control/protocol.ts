/**
 * The messages between the daemon and the command. A request is one line of JSON; the reply is one or more lines of
 * JSON. Both sides check what they receive. Only root can reach the socket, but the two sides may have different
 * versions.
 */
import * as z from "zod/mini";
import type { MeshInfo, PingAnswer } from "../info.js";
import {
  type MembershipReply,
  type MembershipRequest,
  membershipReplySchema,
  membershipRequestSchema,
} from "../membership/requests.js";

/** The maximum length of a request in bytes. */
export const MAX_REQUEST_BYTES = 1024;

/** The maximum length of a reply in bytes. A reply with 65 536 peers has half of this. */
export const MAX_REPLY_BYTES: number = 64 << 20;

const text = z.string().check(z.maxLength(4096));
const count = z.number();
/** JSON leaves out undefined values. */
const maybe = <T>(type: z.ZodMiniType<T>): z.ZodMiniType<T | undefined> => z.optional(type);
const list = <T extends z.ZodMiniType>(type: T): z.ZodMiniReadonly<z.ZodMiniArray<T>> =>
  z.readonly(z.array(type));

const pathKind = z.enum(["lan", "ipv6", "nat", "relay", "turn"]);

const infoSchema: z.ZodMiniType<MeshInfo> = z.object({
  interface: text,
  publicKey: text,
  listenPort: count,
  since: count,
  nat: z.enum(["open", "stable", "symmetric", "blocked", "unknown"]),
  candidates: list(
    z.object({
      kind: z.enum(["host", "reflexive", "mapped", "configured", "relayed"]),
      endpoint: text,
      ageS: count,
    }),
  ),
  peers: list(
    z.object({
      publicKey: text,
      name: maybe(text),
      state: z.enum(["asleep", "unmet", "probing", "relayed", "direct", "lost"]),
      path: maybe(
        z.object({
          kind: pathKind,
          endpoint: text,
          roundTripMs: maybe(count),
          since: count,
          relay: maybe(text),
          turn: maybe(text),
        }),
      ),
      reason: text,
      lastHandshakeAt: maybe(count),
      receivedBytes: count,
      sentBytes: count,
      allowedIps: list(text),
      isAlive: maybe(z.boolean()),
    }),
  ),
  // A daemon of an earlier version does not send this field.
  portMappings: z._default(
    list(
      z.object({
        family: z.union([z.literal(4), z.literal(6)]),
        gateway: text,
        internalPort: count,
        protocol: maybe(z.enum(["pcp", "nat-pmp", "upnp-igd"])),
        external: maybe(text),
        isHint: z.boolean(),
        endsAt: maybe(count),
        error: maybe(text),
      }),
    ),
    [],
  ),
  brokers: list(z.object({ host: text, port: count, state: text, error: maybe(text) })),
  troubles: maybe(list(text)),
  facts: maybe(count),
  turn: maybe(list(z.object({ server: text, relayed: maybe(text), peers: count, error: maybe(text) }))),
  relaying: maybe(
    list(
      z.object({
        peers: z.readonly(z.tuple([text, text])),
        endpoint: text,
        since: count,
        isOpen: z.boolean(),
        packets: count,
        bytes: count,
        dropped: count,
      }),
    ),
  ),
});

const answerSchema: z.ZodMiniType<PingAnswer> = z.object({
  kind: pathKind,
  endpoint: text,
  isInUse: z.boolean(),
  roundTripMs: maybe(count),
});

/** `peer` is the peer's key, the beginning of the key, or the peer's name. */
export type Request =
  | { readonly ask: "status" }
  | { readonly ask: "watch" }
  | { readonly ask: "ping"; readonly peer: string }
  | { readonly ask: "membership"; readonly request: MembershipRequest }
  | { readonly ask: "down" };

const requestSchema: z.ZodMiniType<Request> = z.discriminatedUnion("ask", [
  z.strictObject({ ask: z.literal("status") }),
  z.strictObject({ ask: z.literal("watch") }),
  z.strictObject({ ask: z.literal("ping"), peer: z.string().check(z.minLength(1), z.maxLength(256)) }),
  z.strictObject({ ask: z.literal("membership"), request: membershipRequestSchema }),
  z.strictObject({ ask: z.literal("down") }),
]);

/**
 * - info: everything that the daemon knows
 * - answers: the answers to a ping
 * - membership: the reply to a request about the network
 * - ended: the daemon has ended
 * - error: the daemon could not do what was requested
 */
export type Reply =
  | { readonly is: "info"; readonly info: MeshInfo }
  | { readonly is: "answers"; readonly peer: string; readonly answers: readonly PingAnswer[] }
  | { readonly is: "membership"; readonly reply: MembershipReply }
  | { readonly is: "ended"; readonly putBack: readonly string[] }
  | { readonly is: "error"; readonly code: string; readonly message: string };

const replySchema: z.ZodMiniType<Reply> = z.discriminatedUnion("is", [
  z.object({ is: z.literal("info"), info: infoSchema }),
  z.object({ is: z.literal("answers"), peer: text, answers: list(answerSchema) }),
  z.object({ is: z.literal("membership"), reply: membershipReplySchema }),
  z.object({ is: z.literal("ended"), putBack: list(text) }),
  z.object({ is: z.literal("error"), code: text, message: text }),
]);

/** @returns undefined for a line that is not a request */
export function parseRequest(line: string): Request | undefined {
  return parse(requestSchema, line);
}

/** @returns undefined for a line that is not a reply */
export function parseReply(line: string): Reply | undefined {
  return parse(replySchema, line);
}

function parse<T>(schema: z.ZodMiniType<T>, line: string): T | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  return schema.safeParse(value).data;
}
