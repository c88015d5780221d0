/** What the system's codes mean for somebody who wants to connect. */
const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: "the name does not resolve",
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

/** An error of the system in words, with its code for whoever looks it up. */
export function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const words = WORDS[code];
  return words === undefined ? error.message || code || error.name : `${words} (${code})`;
}
