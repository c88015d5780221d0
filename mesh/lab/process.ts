import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";

/** A program that stays. `await using` kills it. */
export interface LongRunning extends AsyncDisposable {
  readonly pid: number;
  /** The end of what it has written so far, on both streams. */
  readonly log: string;
  /** Resolves when it has written this; rejects when it ends before. */
  wrote(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Writes to its standard input. */
  write(text: string): void;
  signal(name: NodeJS.Signals): void;
  /** Kills it, unless it has ended; resolves when it is gone. */
  kill(): Promise<void>;
  readonly hasEnded: boolean;
}

const LOG_LENGTH = 1 << 18;

/** Starts a program. Its death is nobody's error but of those who wait for its words. */
export function start(argv: readonly string[], env: NodeJS.ProcessEnv = process.env): LongRunning {
  const [program = "", ...args] = argv;
  const child = spawn(program, args, { env, stdio: ["pipe", "pipe", "pipe"] });
  let log = "";
  let isOver = false;
  const look = new Set<() => void>();
  const tell = (): void => {
    for (const listener of [...look]) listener();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      log = (log + chunk).slice(-LOG_LENGTH);
      tell();
    });
  }
  child.stdin.on("error", () => {});
  const end = (why: string): void => {
    if (isOver) return;
    isOver = true;
    log += why;
    tell();
  };
  child.once("error", (error) => end(`${error}`));
  child.once("close", (code, signal) => end(`(ended with ${code ?? signal})`));
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined)
      await once(child, "exit");
  };
  return {
    pid: child.pid ?? 0,
    get log() {
      return log;
    },
    get hasEnded() {
      return isOver;
    },
    async wrote(pattern, timeoutMs = 30_000) {
      return await new Promise((resolve, reject) => {
        const finish = (act: () => void): void => {
          look.delete(listener);
          clearTimeout(timer);
          act();
        };
        const listener = (): void => {
          const match = pattern.exec(log);
          if (match !== null) finish(() => resolve(match));
          else if (isOver)
            finish(() => reject(new Error(`${argv.join(" ")} did not write ${pattern}:\n${log}`)));
        };
        const timer = setTimeout(
          () =>
            finish(() => reject(new Error(`${argv.join(" ")} did not write ${pattern} in time:\n${log}`))),
          timeoutMs,
        );
        look.add(listener);
        listener();
      });
    },
    write: (text) => void child.stdin.write(text),
    signal: (name) => void child.kill(name),
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

/** Waits for a sign of a program that is not in its words. Throws when it has ended or 30 s have passed. */
export async function until(name: string, program: LongRunning, isThere: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 30_000; ; await delay(2)) {
    if (program.hasEnded || Date.now() > deadline) throw new Error(`${name} does not serve:\n${program.log}`);
    if (isThere()) return;
  }
}
