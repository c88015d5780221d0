import { printable } from "./printable.js";

/** Done; not delivered, not reachable or failed on the way; wrong use. */
export type ExitCode = 0 | 1 | 2;

/** The stable codes of {@link Failure}, besides those of the library. */
export type FailureCode =
  /** The command line asks for something that does not exist, or contradicts itself. */
  | "USAGE"
  /** A file cannot be read or written. */
  | "FILE"
  /** There is no key yet. */
  | "NO_KEY"
  /** There is a key already. */
  | "KEY_EXISTS"
  /** Others can read the key. */
  | "KEY_EXPOSED"
  /** A key file holds something else. */
  | "INVALID_KEY"
  | "INVALID_ADDRESS"
  /** The file of contacts has something else in it; or holds no, or already has such a contact. */
  | "INVALID_CONTACTS"
  | "NO_CONTACT"
  | "CONTACT_EXISTS"
  | "INVALID_POOL"
  | "MESSAGE_TOO_LARGE"
  | "NO_BROKER"
  /** A port cannot be listened on. */
  | "LISTEN";

/** Something went wrong, and this is how the command ends. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly code: FailureCode;
  readonly exitCode: ExitCode;

  constructor(code: FailureCode, message: string, exitCode: ExitCode = 2) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
  }
}

export const EMPTY_POOL = "the pool has no broker";

/** Reasons of the system in words. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  ETXTBSY: "it is being written",
  EROFS: "the file system is read-only",
  ENOSPC: "no space left on device",
  EADDRINUSE: "the port is in use",
  EADDRNOTAVAIL: "not an address of this machine",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the name cannot be looked up",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "no way there",
  ENETUNREACH: "no way there",
  ETIMEDOUT: "no answer",
};

/** An error's text for a table, in words where it is the system's own. A broker may have had a say in it. */
export function inWords(text: string): string {
  // The library's words have the code behind them, for whoever looks it up.
  const plain = text.replace(/ \(E[A-Z_]{3,}\)/g, "");
  const [code = ""] = /\bE[A-Z_]{3,}\b/.exec(plain) ?? [];
  return REASONS[code] ?? printable(plain);
}

/** The system's code for what failed. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** Why something failed, without the call that did. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = codeOf(error);
  return (typeof code === "string" ? REASONS[code] : undefined) ?? error.message;
}
