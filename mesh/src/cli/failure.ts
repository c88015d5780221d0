import type { MeshErrorCode } from "../errors.js";
import { MeshError } from "../errors.js";

/** The exit code: 0 for success, 1 for a failure, 2 for wrong usage. */
export type ExitCode = 0 | 1 | 2;

/** How a command ends, in words and numbers. */
export interface Ending {
  readonly exitCode: ExitCode;
  readonly code: string;
  /** The reason in one line. */
  readonly message: string;
}

/** The command line asks for something that does not exist, or contradicts itself. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** A file from the command line cannot be read, or has the wrong content. */
export class InputFileError extends Error {
  override readonly name: string = "InputFileError";
}

/** Errors that a user can only solve by another command line or configuration. */
const WRONG_USE: ReadonlySet<string> = new Set<MeshErrorCode>([
  ...(["INVALID_KEY", "LOW_ORDER_KEY", "OWN_KEY", "INVALID_OPTION", "CONFLICT"] as const),
  ...(["INVALID_ADDRESS", "NO_INTERFACE", "NO_PEER", "NO_MEMBER", "UNSUPPORTED"] as const),
]);

/** The system's error codes in words. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  ENOSPC: "no space left on device",
  EROFS: "the file system is read-only",
  EADDRINUSE: "the port is in use",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the name cannot be looked up",
  ECONNREFUSED: "connection refused",
  EHOSTUNREACH: "no way there",
  ENETUNREACH: "no way there",
  ETIMEDOUT: "no answer",
};

export function endingOf(error: unknown): Ending {
  if (error instanceof UsageError) return { exitCode: 2, code: "USAGE", message: error.message };
  if (error instanceof InputFileError) return { exitCode: 2, code: "FILE", message: error.message };
  if (error instanceof MeshError) {
    const { code, message } = error;
    return { exitCode: WRONG_USE.has(code) ? 2 : 1, code, message };
  }
  return { exitCode: 1, code: "FAILED", message: reasonOf(error) };
}

/** The reason of an error, without the name of the system call. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return (
    ("code" in error && typeof error.code === "string" ? REASONS[error.code] : undefined) ?? error.message
  );
}
