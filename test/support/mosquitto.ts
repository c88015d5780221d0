import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where mosquitto is; nowhere, where it is not installed. */
export const MOSQUITTO: string | undefined = findBinary();

/** Whether mosquitto is installed here. */
export const hasMosquitto: boolean = MOSQUITTO !== undefined;

/** A mosquitto process of the test's own. */
export interface Mosquitto {
  readonly host: string;
  readonly port: number;
  readonly version: string;
  /** Stops it as if it hung: connections stay, nothing is answered. */
  freeze(): void;
  thaw(): void;
  /** Ends it at once; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
}

/** Starts mosquitto on a loopback address, on a free port; `using` it ends it. */
export async function startMosquitto(host = "127.0.0.1", config = ""): Promise<Mosquitto & AsyncDisposable> {
  if (MOSQUITTO === undefined) throw new Error("mosquitto is not installed");
  const binary = MOSQUITTO;
  const folder = mkdtempSync(join(tmpdir(), "sidewire-mosquitto-"));
  let child: ChildProcess | undefined;
  let version = "unknown";

  const launch = async (port: number): Promise<boolean> => {
    const path = join(folder, "mosquitto.conf");
    const lines = [
      `listener ${port} ${host}`,
      "allow_anonymous true",
      "set_tcp_nodelay true",
      "user root",
      config,
    ];
    writeFileSync(path, lines.join("\n"));
    const process = spawn(binary, ["-c", path, "-v"], { stdio: ["ignore", "ignore", "pipe"] });
    child = process;
    let log = "";
    return await new Promise((resolve) => {
      process.stderr.on("data", (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-4096);
        const running = /version (\S+) running/.exec(log);
        if (running === null) return;
        version = running[1] ?? version;
        resolve(true);
      });
      process.once("exit", () => resolve(false));
    });
  };
  const kill = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, "exit");
    running.kill("SIGKILL");
    await gone;
  };

  let port = 0;
  for (let attempt = 0; ; attempt++) {
    port = await freePort(host);
    if (await launch(port)) break;
    // Another process took the port between the look and the start.
    if (attempt === 5) throw new Error(`mosquitto does not start on ${host}`);
  }
  return {
    host,
    port,
    version,
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
    kill,
    restart: async () => {
      await kill();
      if (!(await launch(port))) throw new Error(`mosquitto does not start again on ${host}:${port}`);
    },
    [Symbol.asyncDispose]: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A port that is free on an address now. */
export async function freePort(host: string): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, "listening");
  // A TCP server's address is an AddressInfo once it is listening.
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function findBinary(): string | undefined {
  for (const path of ["mosquitto", "/usr/sbin/mosquitto"]) {
    try {
      execFileSync(path, ["-h"], { stdio: "ignore" });
      return path;
    } catch (error) {
      // It prints its usage and exits with 3.
      if (error instanceof Error && "status" in error && error.status === 3) return path;
    }
  }
  return undefined;
}
