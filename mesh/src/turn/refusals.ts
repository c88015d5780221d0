import { MeshError } from "../errors.js";
import type { Answer } from "./requests.js";

/** The meaning of a server's error codes for a person (RFC 8656, section 19, and RFC 8489, section 14.8). */
const SENTENCES: Readonly<Record<number, string>> = {
  401: "it does not take the username and the password",
  403: "it forbids this",
  437: "it knows nothing of our allocation any more",
  438: "it takes none of the nonces that it gives out itself",
  441: "it does not take the username and the password",
  442: "it does not relay UDP",
  486: "this user has as many allocations as it may",
  508: "it relays for as many as it can",
};

/** Why a server has not done what was requested. */
export function refusalOf(answer: Exclude<Answer, { is: "success" }>, hasCredentials: boolean): MeshError {
  if (answer.is === "silence") return new MeshError("TIMEOUT", "it does not answer");
  const { code } = answer;
  if (code === 401 && !hasCredentials) return refused("it wants a username and a password");
  return refused(SENTENCES[code] ?? `it refuses with error ${code}`);
}

export function refused(why: string): MeshError {
  return new MeshError("REFUSED", why);
}
