import type { IncomingMessage } from "node:http";
import { type MembershipRequest, membershipRequestSchema } from "../membership/requests.js";

/** The maximum size of the body of a request, in bytes. */
export const MAX_BODY_BYTES = 4096;

/** A request that is not understood. */
export class BadRequest extends Error {
  override readonly name: string = "BadRequest";
  readonly status: 400 | 413 | 415;

  constructor(status: 400 | 413 | 415, message: string) {
    super(message);
    this.status = status;
  }
}

export type InviteRequest = Extract<MembershipRequest, { do: "invite" }>;

/**
 * Reads what the page wants to invite with, from the body of a request.
 * @throws {@link BadRequest}
 */
export async function readInvite(request: IncomingMessage): Promise<InviteRequest> {
  const value = await readJson(request);
  const { data } = membershipRequestSchema.safeParse({ ...value, do: "invite" });
  if (data?.do !== "invite") throw new BadRequest(400, "an invitation needs uses, expiresS and approve");
  return data;
}

async function readJson(request: IncomingMessage): Promise<object> {
  const { "content-type": type = "", "content-length": length } = request.headers;
  if (!/^application\/json(?:;|$)/i.test(type)) throw new BadRequest(415, "JSON is expected");
  if (Number(length ?? 0) > MAX_BODY_BYTES) throw new BadRequest(413, `more than ${MAX_BODY_BYTES} bytes`);
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > MAX_BODY_BYTES) throw new BadRequest(413, `more than ${MAX_BODY_BYTES} bytes`);
    parts.push(part);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(parts).toString("utf8"));
  } catch {
    throw new BadRequest(400, "this is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new BadRequest(400, "an object is expected");
  return value;
}
