import { spawn } from "node:child_process";
import { once } from "node:events";

/** A server that was started as a child process. */
export interface ServerProcess {
  /** The end of what it has written so far. */
  readonly log: string;
  /** Sends it a signal. */
  signal(name: NodeJS.Signals): void;
  /** Ends it at once; resolves when it is gone. */
  kill(): Promise<void>;
}

/** How a server is started. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** What it writes once it serves. */
  readonly ready: RegExp;
}

const LOG_LENGTH = 1 << 16;

/** Far more than any of them takes, also on a busy machine. */
const PATIENCE_MS = 60_000;

/**
 * Starts a server and waits until it serves.
 * @throws when it ends before that or takes a minute, with what it wrote
 */
export async function launch({ command, args, env, ready }: Launch): Promise<ServerProcess> {
  const child = spawn(command, [...args], {
    stdio: ["ignore", "pipe", "pipe"],
    ...(env === undefined ? {} : { env }),
  });
  const killWithUs = (): void => void child.kill("SIGKILL");
  process.once("exit", killWithUs);
  child.once("exit", () => process.off("exit", killWithUs));

  let log = "";
  const serving = new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-LOG_LENGTH);
        if (ready.test(log)) resolve();
      });
    }
    child.once("error", reject);
    child.once("exit", (code, signal) =>
      reject(new Error(`${command} ended with ${code ?? signal} before it served:\n${log}`)),
    );
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  await serving.finally(() => clearTimeout(timer));
  return {
    get log() {
      return log;
    },
    signal: (name) => void child.kill(name),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
  };
}

/**
 * Starts a server on ports that were free a moment ago, and tries others when they are not any more.
 * @throws what the last attempt failed with
 */
export async function retrying<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}
