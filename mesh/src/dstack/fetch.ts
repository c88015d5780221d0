import { MeshError } from "../errors.js";
import { shownAddress } from "./web-address.js";

/** The time for a whole request with all its redirects, in ms. */
const TIMEOUT_MS = 5000;

/** The maximum number of redirects. Sites for pieces of text use one or two. */
const MAX_REDIRECTS = 3;

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** A server's answer. `tag` identifies this version of the text (`ETag`). */
export interface Fetched {
  /** Undefined when the text is the same as the one with the given tag. */
  readonly text: string | undefined;
  readonly tag: string | undefined;
}

/** Settings of a request. */
export interface FetchOptions {
  /** The maximum length of the answer, in bytes. */
  readonly maxBytes: number;
  /** The tag of the version that is known. */
  readonly tag?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For tests. Default: 5 s. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Gets a text by HTTP or HTTPS. User name and password in the URL are sent to that server alone. Errors do not show
 * them.
 * @throws {@link MeshError} `COMMAND_FAILED` with the reason; `TIMEOUT`; `ABORTED`
 */
export async function fetchText(
  url: URL,
  { maxBytes, tag, signal, timeoutMs = TIMEOUT_MS }: FetchOptions,
): Promise<Fetched> {
  const late = AbortSignal.timeout(timeoutMs);
  const either = signal === undefined ? late : AbortSignal.any([late, signal]);
  try {
    const response = await follow(url, tag, either);
    const { status, headers, body } = response;
    if (status === 304 && tag !== undefined) {
      await body?.cancel();
      return { text: undefined, tag };
    }
    if (status !== 200) {
      await body?.cancel();
      throw new Error(`the server says ${status}`);
    }
    return { text: await textOf(response, maxBytes), tag: headers.get("etag") ?? undefined };
  } catch (error) {
    const shown = shownAddress(url);
    if (signal?.aborted) throw new MeshError("ABORTED", "aborted", { cause: signal.reason });
    if (late.aborted)
      throw new MeshError("TIMEOUT", `${shown}: no answer within ${timeoutMs / 1000} s`, { cause: error });
    throw new MeshError("COMMAND_FAILED", `${shown}: ${reasonOf(error)}`, { cause: error });
  }
}

async function follow(start: URL, tag: string | undefined, signal: AbortSignal): Promise<Response> {
  let url = start;
  for (let redirects = 0; ; redirects++) {
    const response = await fetch(bare(url), {
      headers: {
        Accept: "application/json",
        ...(tag === undefined ? {} : { "If-None-Match": tag }),
        // Only the server that the user has named gets the password.
        ...(url.origin === start.origin ? authorizationOf(start) : {}),
      },
      redirect: "manual",
      signal,
    });
    if (!REDIRECTS.has(response.status)) return response;
    await response.body?.cancel();
    const location = response.headers.get("location") ?? "";
    if (redirects >= MAX_REDIRECTS) throw new Error(`it redirects more than ${MAX_REDIRECTS} times`);
    if (!URL.canParse(location, url)) throw new Error("it redirects to no place");
    const next = new URL(location, url);
    if (next.protocol !== "https:" && next.protocol !== url.protocol)
      throw new Error(`it redirects from ${url.protocol} to ${next.protocol}, which is not followed`);
    url = next;
  }
}

/** A URL without user name and password, which `fetch` refuses. */
function bare(url: URL): URL {
  const plain = new URL(url);
  plain.username = "";
  plain.password = "";
  return plain;
}

function authorizationOf({ username, password }: URL): { Authorization?: string } {
  if (username === "" && password === "") return {};
  const text = `${decoded(username)}:${decoded(password)}`;
  return { Authorization: `Basic ${Buffer.from(text).toString("base64")}` };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Reads the answer up to the limit. The limit is for the unpacked text, so a small packed answer cannot be huge. */
async function textOf({ body }: Response, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = body?.getReader();
  for (let next = await reader?.read(); next?.done === false; next = await reader?.read()) {
    length += next.value.length;
    if (length > maxBytes) {
      await reader?.cancel();
      throw new Error(`the answer has more than ${maxBytes} bytes`);
    }
    parts.push(next.value);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** The reason in a few words. `fetch` itself only says that it failed; the cause says why. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error)
    return "code" in cause && typeof cause.code === "string" && cause.message === ""
      ? cause.code
      : cause.message;
  return error.message;
}
