/**
 * What the daemon and the command say to each other: one line of JSON asks, lines of JSON answer. Both sides check
 * what they get: the socket is root's alone, but the two may be of different versions.
 */
import * as z from "zod/mini";
import type { MeshInfo, PingAnswer } from "../info.js";
import {
  type MembershipReply,
  type MembershipRequest,
  membershipReplySchema,
  membershipRequestSchema,
} from "../membership/requests.js";

/** The longest request, bytes. */
export const MAX_REQUEST_BYTES = 1024;

/** The longest reply, bytes: 65 536 peers with all that is said of them have half of it. */
export const MAX_REPLY_BYTES: number = 64 << 20;

const text = z.string().check(z.maxLength(4096));
const count = z.number();
/** JSON leaves out what is undefined. */
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
  // A daemon of an earlier version has none.
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

/** `peer`: its key, the beginning of it, or its name. */
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

/** All that the daemon knows; the answers to a ping; what was asked of the network; the daemon has ended; it could not do what it was asked. */
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

/** @returns undefined for what is no request */
export function parseRequest(line: string): Request | undefined {
  return parse(requestSchema, line);
}

/** @returns undefined for what is no reply */
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
