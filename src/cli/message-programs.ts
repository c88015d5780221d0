import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pLimit from "p-limit";
import type { InboundMessage } from "sidewire";
import { Failure, reasonOf } from "./failure.js";
import { passOnLines } from "./whole-lines.js";

/** How the program for a message ended. */
export interface ProgramEnd {
  readonly exitCode?: number;
  /** The signal that killed the program. */
  readonly signal?: string;
  /** Why the program did not start. */
  readonly error?: string;
}

export interface ProgramOptions {
  readonly program: string;
  readonly args: readonly string[];
  /** The stream for the program's stdout. */
  readonly stdout: NodeJS.WriteStream;
  /** The key file in use, so that the program can answer as the same peer. */
  readonly keyFile: string;
  /** The pool file in use; absent for the pool in the package. */
  readonly poolFile?: string;
  readonly nameOf: (address: string) => string | undefined;
  readonly onEnd: (message: InboundMessage, time: Date, end: ProgramEnd) => Promise<void>;
}

/** The maximum number of programs at a time, over all senders. */
const CONCURRENCY = 8;

/** How long to wait for a program's last output after its end, in ms. */
const LAST_WORDS_MS = 1000;

/**
 * The maximum number of waiting messages. Beyond it the router keeps further messages, and then refuses them without an
 * ACK.
 */
const MAX_WAITING = 256;

/** Runs a program for each message: only one at a time for each sender, in the order of the messages. */
export class MessagePrograms {
  readonly #options: ProgramOptions;
  readonly #limit = pLimit(CONCURRENCY);
  /** The latest program of each sender with running or waiting programs. */
  readonly #last = new Map<string, Promise<void>>();
  readonly #waiting = new Set<Promise<void>>();

  constructor(options: ProgramOptions) {
    this.#options = options;
  }

  /** The number of messages whose program has not ended. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Adds a message. Resolves when there is room for another one. */
  async add(message: InboundMessage, time: Date): Promise<void> {
    const { from } = message;
    const before = this.#last.get(from) ?? Promise.resolve();
    const run = before
      .then(() => this.#limit(() => this.#run(message, time)))
      .finally(() => {
        this.#waiting.delete(run);
        if (this.#last.get(from) === run) this.#last.delete(from);
      });
    this.#last.set(from, run);
    this.#waiting.add(run);
    while (this.#waiting.size >= MAX_WAITING) await Promise.race(this.#waiting);
  }

  /** Resolves when the programs of all messages have ended. */
  async done(): Promise<void> {
    await Promise.all(this.#waiting);
  }

  async #run(message: InboundMessage, time: Date): Promise<void> {
    await this.#options.onEnd(message, time, await this.#spawn(message, time));
  }

  #spawn({ data, from, sentAt, sealed, broker, sequence }: InboundMessage, time: Date): Promise<ProgramEnd> {
    const { program, args, stdout, keyFile, poolFile, nameOf } = this.#options;
    const env = {
      ...process.env,
      SIDEWIRE_KEY: keyFile,
      ...(poolFile === undefined ? {} : { SIDEWIRE_BROKERS: resolve(poolFile) }),
      SIDEWIRE_FROM: from,
      SIDEWIRE_NAME: nameOf(from) ?? "",
      SIDEWIRE_TIME: time.toISOString(),
      SIDEWIRE_SENT_AT: new Date(sentAt).toISOString(),
      SIDEWIRE_SEALED: sealed ? "1" : "0",
      SIDEWIRE_BROKER: broker.host,
      SIDEWIRE_SEQUENCE: String(sequence),
    };
    return new Promise<ProgramEnd>((resolve, reject) => {
      // A program that cannot start causes either an exception here or an `error` event.
      const child = spawn(program, args, {
        env,
        stdio: ["pipe", "pipe", "inherit"],
        shell: false,
        windowsHide: true,
        // Ctrl-C must end only this command. The command then waits for its programs.
        detached: process.platform !== "win32",
      });
      child.once("error", reject);
      const printed = passOnLines(child.stdout, stdout);
      child.once("exit", (exitCode, signal) => {
        const end = (): void => resolve(exitCode === null ? { signal: signal ?? "" } : { exitCode });
        // Processes that the program started may still write to stdout. Their output is not waited for.
        void Promise.race([printed, delay(LAST_WORDS_MS, undefined, { ref: false })]).then(end);
        if ("unref" in child.stdout && typeof child.stdout.unref === "function") child.stdout.unref();
      });
      // The program may end without reading its stdin.
      child.stdin.on("error", () => {});
      child.stdin.end(data);
    }).catch((error: unknown) => ({ error: reasonOf(error) }));
  }
}

/** Checks that the program exists, before the first message is acknowledged. */
export async function checkProgram(program: string): Promise<void> {
  // Windows has its own rules for the names of programs.
  if (process.platform === "win32") return;
  const folders = program.includes("/") ? [""] : (process.env.PATH ?? "").split(delimiter);
  const found = await Promise.all(
    folders.map((folder) => isProgram(folder === "" ? program : join(folder, program))),
  );
  if (found.includes(true)) return;
  throw new Failure("FILE", `cannot run ${program}: not a program that can be executed`);
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    // Folders may also have the executable bit.
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
