import { printable } from "./printable.js";

/**
 * The exit code: 0 for success; 1 when a message was not delivered, nothing was reached or something failed; 2 for
 * wrong usage.
 */
export type ExitCode = 0 | 1 | 2;

/** The stable codes of {@link Failure}, in addition to those of the library. */
export type FailureCode =
  /** The command line asks for something that does not exist, or contradicts itself. */
  | "USAGE"
  /** A file cannot be read or written. */
  | "FILE"
  /** There is no key yet. */
  | "NO_KEY"
  /** There is a key already. */
  | "KEY_EXISTS"
  /** Other users can read the key file. */
  | "KEY_EXPOSED"
  /** The key file contains no key. */
  | "INVALID_KEY"
  | "INVALID_ADDRESS"
  /** The file of contacts is malformed; there is no such contact; there is such a contact already. */
  | "INVALID_CONTACTS"
  | "NO_CONTACT"
  | "CONTACT_EXISTS"
  | "INVALID_POOL"
  | "MESSAGE_TOO_LARGE"
  | "NO_BROKER"
  /** The broker cannot listen on a port. */
  | "LISTEN";

/** The error that ends a command, with its exit code. */
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

/** The system's error codes in words. */
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

/** An error's text for a table, in words if it is a system error. A broker may have influenced the text. */
export function inWords(text: string): string {
  // The library puts the code behind its words, for looking it up. A table has no room for that.
  const plain = text.replace(/ \(E[A-Z_]{3,}\)/g, "");
  const [code = ""] = /\bE[A-Z_]{3,}\b/.exec(plain) ?? [];
  return REASONS[code] ?? printable(plain);
}

/** The system's error code, if there is one. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** The reason of an error, without the name of the system call. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = codeOf(error);
  return (typeof code === "string" ? REASONS[code] : undefined) ?? error.message;
}
