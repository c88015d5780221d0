import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, existsSync, openSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { MeshError } from "../errors.js";
import { type Command, formatCommand, type Runner } from "./command.js";

/** The package of each program, in Debian, Fedora, Arch and Alpine. */
const PACKAGES: Readonly<Record<Command["program"], string>> = {
  wg: "wireguard-tools",
  ip: "iproute2 (iproute on Fedora)",
  nft: "nftables",
  "wireguard-go": "wireguard-go",
};

/** The time limit of a program, in ms. A program normally answers in milliseconds. */
const TIMEOUT_MS = 10_000;

/** The maximum number of bytes that are read from a program: about 20 000 peers or routes. */
const MAX_OUTPUT_BYTES = 4 << 20;

/** The error texts of missing permissions, in the C locale. */
const NOT_PERMITTED = /operation not permitted|permission denied|must be root/i;

/** The options of {@link Programs}. */
export interface ProgramsOptions {
  /** Put before each command. A lab uses it to enter a network namespace. Default: nothing. */
  readonly prefix?: readonly string[];
}

/** Runs commands as processes. */
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

  /** The command line for a caller that starts a long-running program itself. */
  lineOf({ program, args }: Command): { file: string; args: string[]; env: NodeJS.ProcessEnv } {
    const [file = program, ...rest] = [...this.#prefix, program, ...args];
    return { file, args: rest, env: this.#env };
  }

  #run(command: Command, input: number | undefined, signal?: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const { file, args, env } = this.lineOf(command);
      // wireguard-go stays in the process group of its parent. Ctrl-C for this process would end wireguard-go and the
      // interface at once.
      const detached = command.program === "wireguard-go";
      const child = spawn(file, args, { env, detached, stdio: [input ?? "ignore", "pipe", "pipe"] });
      let failure: MeshError | undefined;
      const end = (error: MeshError): void => {
        failure ??= error;
        child.kill("SIGKILL");
        // A child of the program may outlive it and hold the other ends of the pipes.
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
  // wireguard-go goes to the background and closes our pipes, unless one of these variables is set.
  const { LOG_LEVEL: _level, WG_PROCESS_FOREGROUND: _stays, ...rest } = process.env;
  return {
    ...rest,
    // Errors are recognised by their words.
    LC_ALL: "C",
    // `ip` and `nft` may be in folders that the PATH of a normal user does not contain.
    PATH: [process.env.PATH, "/usr/local/sbin:/usr/sbin:/sbin"].filter(Boolean).join(":"),
  };
}

/**
 * An open file without a name, with a text as its content. A pipe from Node is really a socket (libuv makes it so), and
 * `wg` cannot open a socket as /dev/stdin. The name is removed before anything is written, so that no other process
 * finds a key here. In /dev/shm the file never reaches a disk.
 */
function fileOf(text: string): number {
  const folder = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const path = join(folder, `sidewire-mesh-${randomUUID()}`);
  const file = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  // Written at a position, so that the reader starts at the beginning of the file.
  writeSync(file, text, 0);
  return file;
}

/** The output of a stream, up to the limit. */
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

/** A program's output on one line of limited length, without characters that move a terminal's cursor. */
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

/** The command line only: the input may be long or secret. */
function lineOf({ program, args }: Command): string {
  return formatCommand({ program, args });
}
