import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, existsSync, openSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { MeshError } from "../errors.js";
import { type Command, formatCommand, type Runner } from "./command.js";

/** What brings each program, as Debian, Fedora, Arch and Alpine call it. */
const PACKAGES: Readonly<Record<Command["program"], string>> = {
  wg: "wireguard-tools",
  ip: "iproute2 (iproute on Fedora)",
  nft: "nftables",
  "wireguard-go": "wireguard-go",
};

/** A program answers in milliseconds. One that takes this long waits for something that does not come. */
const TIMEOUT_MS = 10_000;

/** The most that is read of what a program says, bytes: about 20 000 peers, or as many routes. */
const MAX_OUTPUT_BYTES = 4 << 20;

/** What a program complains of that it may not do something, in the C locale. */
const NOT_PERMITTED = /operation not permitted|permission denied|must be root/i;

/** How a {@link Programs} runs them. */
export interface ProgramsOptions {
  /** What stands before each command: a lab enters a network namespace with it. Default: nothing. */
  readonly prefix?: readonly string[];
}

/** Runs commands as processes of their own. */
export class Programs implements Runner {
  readonly #prefix: readonly string[];
  readonly #env: NodeJS.ProcessEnv = environment();

  constructor({ prefix = [] }: ProgramsOptions = {}) {
    this.#prefix = prefix;
  }

  async run(command: Command, signal?: AbortSignal): Promise<string> {
    if (signal?.aborted) throw aborted(command, signal);
    const input = command.input === undefined ? undefined : fileOf(command.input.text);
    try {
      return await this.#run(command, input, signal);
    } finally {
      if (input !== undefined) closeSync(input);
    }
  }

  /** How a program that goes on running is to be started by the caller. */
  lineOf({ program, args }: Command): { file: string; args: string[]; env: NodeJS.ProcessEnv } {
    const [file = program, ...rest] = [...this.#prefix, program, ...args];
    return { file, args: rest, env: this.#env };
  }

  #run(command: Command, input: number | undefined, signal?: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const { file, args, env } = this.lineOf(command);
      // wireguard-go stays in the group of whoever starts it: a Ctrl-C for us would end it, and the interface, at once.
      const detached = command.program === "wireguard-go";
      const child = spawn(file, args, { env, detached, stdio: [input ?? "ignore", "pipe", "pipe"] });
      let failure: MeshError | undefined;
      const end = (error: MeshError): void => {
        failure ??= error;
        child.kill("SIGKILL");
        // A process of its own that outlives it may hold the other ends.
        child.stdout?.destroy();
        child.stderr?.destroy();
      };
      const out = collect(child.stdout, () =>
        end(failed(command, `it says more than ${MAX_OUTPUT_BYTES} bytes`)),
      );
      const err = collect(child.stderr, () => end(failed(command, `it complains without end`)));
      const timer = setTimeout(() => end(timedOut(command)), TIMEOUT_MS);
      const abort = (): void => end(aborted(command, signal));
      signal?.addEventListener("abort", abort, { once: true });
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        finish();
      };
      child.once("error", (error) => settle(() => reject(failure ?? startError(command, error))));
      child.once("close", (code, killedBy) =>
        settle(() => {
          if (failure !== undefined) reject(failure);
          else if (code === 0) resolve(out());
          else reject(endError(command, err(), code, killedBy));
        }),
      );
    });
  }
}

function environment(): NodeJS.ProcessEnv {
  // wireguard-go goes to the background by itself, and lets go of our pipes, unless one of these says otherwise.
  const { LOG_LEVEL: _level, WG_PROCESS_FOREGROUND: _stays, ...rest } = process.env;
  return {
    ...rest,
    // Errors are recognised by their words.
    LC_ALL: "C",
    // `ip` and `nft` may be where many a user's PATH does not lead.
    PATH: [process.env.PATH, "/usr/local/sbin:/usr/sbin:/sbin"].filter(Boolean).join(":"),
  };
}

/**
 * An open file without a name that holds a text. A pipe would be a socket (libuv makes them so), which nobody can open
 * once more by the name /dev/stdin, as `wg` does. The name is gone before anything is written: no other process finds
 * a key here, and where there is /dev/shm it never reaches a disk.
 */
function fileOf(text: string): number {
  const folder = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const path = join(folder, `sidewire-mesh-${randomUUID()}`);
  const file = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  // At a position: the reader begins where the file does.
  writeSync(file, text, 0);
  return file;
}

/** What a stream said, up to the limit. */
function collect(stream: Readable | null, tooMuch: () => void): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  stream?.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (length > MAX_OUTPUT_BYTES) tooMuch();
    else chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString("utf8");
}

function startError(command: Command, error: NodeJS.ErrnoException): MeshError {
  if (error.code !== "ENOENT") return failed(command, error.message, error);
  const { program } = command;
  return new MeshError(
    "MISSING_PROGRAM",
    `\`${program}\` is not installed: it comes with the package ${PACKAGES[program]}`,
    { cause: error },
  );
}

function endError(command: Command, said: string, code: number | null, killedBy: string | null): MeshError {
  const words = wordsOf(said);
  if (NOT_PERMITTED.test(words))
    return new MeshError(
      "NOT_PERMITTED",
      `\`${lineOf(command)}\`: ${words}. This needs root, or the capability CAP_NET_ADMIN`,
    );
  return failed(
    command,
    words || (killedBy === null ? `it ended with ${code}` : `it was ended by ${killedBy}`),
  );
}

/** A program's words on one line of bounded length, without what would move a terminal's cursor. */
function wordsOf(said: string): string {
  return said
    .slice(0, 2_000)
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, 500);
}

function failed(command: Command, why: string, cause?: unknown): MeshError {
  return new MeshError("COMMAND_FAILED", `\`${lineOf(command)}\` failed: ${why}`, { cause });
}

function timedOut(command: Command): MeshError {
  return new MeshError("TIMEOUT", `\`${lineOf(command)}\` did not end within ${TIMEOUT_MS / 1000} s`);
}

function aborted(command: Command, signal: AbortSignal | undefined): MeshError {
  return new MeshError("ABORTED", `\`${lineOf(command)}\` was aborted`, { cause: signal?.reason });
}

/** The line alone: its input may be long, or secret. */
function lineOf({ program, args }: Command): string {
  return formatCommand({ program, args });
}
