import { BrokerError } from "../base/errors.js";
import { isRecord } from "../base/schema.js";

/** The meaning of the system's error codes, for a person who wants to connect. */
const SYSTEM: Readonly<Record<string, string>> = {
  ENOTFOUND: "the name does not resolve",
  ETIMEOUT: "the name does not resolve: no name server answers",
  EAI_AGAIN: "the name does not resolve: no name server answers",
  EAI_FAIL: "the name does not resolve: its name server failed",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EPIPE: "connection reset",
  ECONNABORTED: "connection aborted",
  EHOSTUNREACH: "no way there",
  ENETUNREACH: "no way there",
  ENETDOWN: "no network",
  ETIMEDOUT: "no answer",
  EADDRNOTAVAIL: "the local address to leave by is none of this machine's",
  EACCES: "a firewall of this machine forbids it",
  EPERM: "a firewall of this machine forbids it",
  EMFILE: "too many open files",
  ENFILE: "too many open files",
};

const UNKNOWN_AUTHORITY =
  "its certificate is of an authority that is not trusted here; if it is yours, give the authority's in `ca`";

/** What is wrong with a certificate and what to do about it, by OpenSSL's error names. */
const CERTIFICATE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED:
    "its certificate has expired; its operator has to renew it, unless the clock here is ahead",
  CERT_NOT_YET_VALID: "its certificate is not valid yet; the clock here may be behind",
  CERT_REVOKED: "its certificate was revoked",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed; if it is yours, give it in `ca`",
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  CERT_UNTRUSTED: UNKNOWN_AUTHORITY,
};

/** The meaning of an HTTP status where a WebSocket was expected. */
const STATUS: Readonly<Record<number, string>> = {
  400: "the request was not understood",
  401: "a login is wanted for the WebSocket itself",
  403: "the WebSocket is forbidden from here",
  404: "nothing is there; look at `path` in the broker's entry",
  405: "no WebSocket is there; look at `path` in the broker's entry",
  407: "what answered is not MQTT but a proxy that wants a login",
  410: "nothing is there any more; look at `path` in the broker's entry",
  426: "another kind of WebSocket is wanted",
  429: "too many connections from here",
  502: "the broker behind the web server does not answer",
  503: "out of service for now",
  504: "the broker behind the web server does not answer",
  511: "what answered is not MQTT but a network that wants a login first",
};

/** The maximum number of characters that are shown of a text from a stranger. */
const MAX_SHOWN = 100;

/** A system error in words, with its code so that a user can look it up. */
export function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = codeOf(error);
  const words = SYSTEM[code];
  return words === undefined ? error.message || code || error.name : `${words} (${code})`;
}

/** The error of an open connection, in words. */
export function wordsFor(cause: Error): Error {
  return codeOf(cause).startsWith("ERR_SSL_") ? tlsFailure(cause) : new Error(inWords(cause), { cause });
}

/** The error of a failed TLS handshake. */
export function tlsFailure(cause: Error): BrokerError {
  return new BrokerError("tls", `${tlsWords(cause)} (${codeOf(cause) || "TLS"})`, { cause });
}

function tlsWords(error: Error): string {
  const code = codeOf(error);
  const words = CERTIFICATE[code];
  if (words !== undefined) return words;
  const { message } = error;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `its certificate is for another host${namesIn(error)}`;
  if (code === "ECONNRESET" || code === "EPIPE") return "it hung up during the TLS handshake";
  if (/wrong version number|packet length too long|unexpected message/i.test(message))
    return "what answered does not speak TLS";
  if (/alert/i.test(message)) return `it refused the TLS handshake: ${shown(reasonOf(error))}`;
  return `TLS failed: ${shown(reasonOf(error))}`;
}

/** The hosts that a certificate is valid for, if Node says so. */
function namesIn(error: Error): string {
  const certificate = "cert" in error ? error.cert : undefined;
  const names = isRecord(certificate) ? certificate.subjectaltname : undefined;
  return typeof names === "string" ? `: ${shown(names)}` : "";
}

/**
 * The error for an HTTP answer that is not a WebSocket.
 * @param fields - the header fields, with names in lower case
 */
export function httpFailure(status: number, fields: ReadonlyMap<string, string>): BrokerError {
  const retryAfterMs = status === 429 || status === 503 ? readRetryAfter(fields) : undefined;
  return new BrokerError("http", `HTTP ${status}: ${httpWords(status, fields)}`, {
    httpStatus: status,
    retryAfterMs,
  });
}

function httpWords(status: number, fields: ReadonlyMap<string, string>): string {
  if (status >= 200 && status < 300)
    return "what answered is not MQTT but a web page: a captive portal, or not the broker's port";
  if (status >= 300 && status < 400) {
    // Only the host is shown: the rest may repeat the requested path, which may be a secret.
    const [, host = "another page"] = /^https?:\/\/([^/?#]+)/i.exec(fields.get("location") ?? "") ?? [];
    return `what answered is not MQTT but a redirect to ${shown(host)}: a captive portal, or not the broker's address`;
  }
  return STATUS[status] ?? (status < 500 ? "the WebSocket was refused" : "the web server failed");
}

/** Reads Retry-After: seconds, or a date on the server's own clock (RFC 9110, section 10.2.3). */
function readRetryAfter(fields: ReadonlyMap<string, string>): number | undefined {
  const value = fields.get("retry-after") ?? "";
  const ms = /^\d{1,9}$/.test(value)
    ? 1000 * Number(value)
    : Date.parse(value) - Date.parse(fields.get("date") ?? "");
  return ms > 0 ? ms : undefined;
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

/** OpenSSL's own reason, if Node provides it. */
function reasonOf(error: Error): string {
  return "reason" in error && typeof error.reason === "string" ? error.reason : error.message;
}

/** A text from a stranger, made safe to show. */
function shown(text: string): string {
  const printable = text.replace(/[^ -~]/g, "?");
  return printable.length > MAX_SHOWN ? `${printable.slice(0, MAX_SHOWN)}…` : printable;
}
