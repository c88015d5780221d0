import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../test/support/free-port.js";

/** A mosquitto of the benchmark's own. It does not log packets, which would cost it more than they do. */
export interface Mosquitto {
  readonly host: string;
  readonly port: number;
  readonly version: string;
  /** Stops it as if it hung: connections stay, nothing is answered. */
  freeze(): void;
  /** Ends it at once. */
  kill(): Promise<void>;
}

/** Starts mosquitto on a loopback address, on a free port. */
export async function startMosquitto(host: string): Promise<Mosquitto> {
  const folder = mkdtempSync(join(tmpdir(), "sidewire-bench-"));
  for (let attempt = 0; attempt < 5; attempt++) {
    const port = await freePort(host);
    const child = launch(folder, host, port);
    const version = await running(child);
    // Another process took the port between the look and the start.
    if (version === undefined) continue;
    return {
      host,
      port,
      version,
      freeze: () => void child.kill("SIGSTOP"),
      kill: async () => {
        rmSync(folder, { recursive: true, force: true });
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        await gone;
      },
    };
  }
  rmSync(folder, { recursive: true, force: true });
  throw new Error(`mosquitto does not start on ${host}`);
}

function launch(folder: string, host: string, port: number): ChildProcess {
  const path = join(folder, "mosquitto.conf");
  const lines = [`listener ${port} ${host}`, "allow_anonymous true", "set_tcp_nodelay true", "user root"];
  writeFileSync(path, lines.join("\n"));
  // Some systems have it where only the superuser's PATH leads.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` };
  return spawn("mosquitto", ["-c", path], { env, stdio: ["ignore", "ignore", "pipe"] });
}

/** Resolves with its version once it runs, with nothing when it ended before. */
function running(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let log = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      if (log.length > 4096) return;
      log += chunk.toString();
      const version = /version (\S+) running/.exec(log)?.[1];
      if (version !== undefined) resolve(version);
    });
    child.once("exit", () => resolve(undefined));
    child.once("error", (cause) => reject(new Error("mosquitto is not installed", { cause })));
  });
}
