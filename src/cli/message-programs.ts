import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pLimit from "p-limit";
import type { InboundMessage } from "sidewire";
import { Failure, reasonOf } from "./failure.js";
import { passOnLines } from "./whole-lines.js";

/** How a program that was given a message ended. */
export interface ProgramEnd {
  readonly exitCode?: number;
  /** What killed it. */
  readonly signal?: string;
  /** Why it did not even start. */
  readonly error?: string;
}

export interface ProgramOptions {
  readonly program: string;
  readonly args: readonly string[];
  /** Where its stdout goes. */
  readonly stdout: NodeJS.WriteStream;
  /** The key in use, so that it can answer as the same peer. */
  readonly keyFile: string;
  /** The pool in use, where it is not the one in the package. */
  readonly poolFile?: string;
  readonly nameOf: (address: string) => string | undefined;
  readonly onEnd: (message: InboundMessage, time: Date, end: ProgramEnd) => Promise<void>;
}

/** Programs at a time, over all senders. */
const CONCURRENCY = 8;

/** How long what a program printed at its end may take to get here, ms. */
const LAST_WORDS_MS = 1000;

/** Messages that wait; with more, the router keeps what comes, and then refuses it without an ACK. */
const MAX_WAITING = 256;

/** Runs a program for each message: one at a time for each sender, in the order of the messages. */
export class MessagePrograms {
  readonly #options: ProgramOptions;
  readonly #limit = pLimit(CONCURRENCY);
  /** The last program of each sender that has any. */
  readonly #last = new Map<string, Promise<void>>();
  readonly #waiting = new Set<Promise<void>>();

  constructor(options: ProgramOptions) {
    this.#options = options;
  }

  /** Messages whose program has not ended. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes a message. Resolves when there is room for another. */
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

  /** Resolves when every message has had its program. */
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
      // Some of what keeps a program from starting is thrown here, the rest is an event.
      const child = spawn(program, args, {
        env,
        stdio: ["pipe", "pipe", "inherit"],
        shell: false,
        windowsHide: true,
        // Ctrl-C is for this command, which lets what it has begun come to its end.
        detached: process.platform !== "win32",
      });
      child.once("error", reject);
      const printed = passOnLines(child.stdout, stdout);
      child.once("exit", (exitCode, signal) => {
        const end = (): void => resolve(exitCode === null ? { signal: signal ?? "" } : { exitCode });
        // What it started may go on printing; nobody waits for that.
        void Promise.race([printed, delay(LAST_WORDS_MS, undefined, { ref: false })]).then(end);
        if ("unref" in child.stdout && typeof child.stdout.unref === "function") child.stdout.unref();
      });
      // It need not read what it is given.
      child.stdin.on("error", () => {});
      child.stdin.end(data);
    }).catch((error: unknown) => ({ error: reasonOf(error) }));
  }
}

/** Makes sure that there is such a program before the first message is acknowledged. */
export async function checkProgram(program: string): Promise<void> {
  // There the name is completed in ways of its own.
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
    // A folder that may be entered counts as executable, too.
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
