import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type EmbeddedBroker, startEmbeddedBroker } from "../support/embedded-broker.js";
import { ROOT } from "./pages.js";

/** The seconds from 1900, where NTP begins, to 1970. */
const NTP_TO_UNIX_S = 2_208_988_800;

/** How long an example may take, ms. */
const PATIENCE_MS = 30_000;

/** What an example did. */
export interface Run {
  /** 0 when all went well; undefined when it did not end by itself. */
  readonly code: number | undefined;
  readonly out: string;
  readonly error: string;
}

/** A folder and a network for the examples of the documentation: all the brokers and time servers there are. */
export class Sandbox implements AsyncDisposable {
  readonly folder: string;
  readonly brokers: readonly EmbeddedBroker[];
  readonly #env: NodeJS.ProcessEnv;
  readonly #end: () => Promise<void>;

  private constructor(
    folder: string,
    brokers: readonly EmbeddedBroker[],
    timePort: number,
    end: () => Promise<void>,
  ) {
    this.folder = folder;
    this.brokers = brokers;
    this.#end = end;
    this.#env = {
      ...process.env,
      DOCS_BROKERS: brokers.map(({ host, port }) => `${host}:${port}`).join(","),
      DOCS_TIME_PORT: String(timePort),
      PYTHONPATH: join(ROOT, "test/docs/python"),
      PYTHONDONTWRITEBYTECODE: "1",
    };
  }

  static async open(): Promise<Sandbox> {
    const folder = mkdtempSync(join(tmpdir(), "sidewire-docs-"));
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
    copyFileSync(join(ROOT, "brokers.json"), join(folder, "brokers.json"));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    const brokers = await Promise.all([1, 2, 3].map((last) => startEmbeddedBroker(`127.0.0.${last}`)));
    const clock = createSocket("udp4");
    clock.on("message", (request, { port, address }) => clock.send(timeAnswer(request), port, address));
    clock.bind(0, "127.0.0.1");
    await once(clock, "listening");
    return new Sandbox(folder, brokers, clock.address().port, async () => {
      clock.close();
      await Promise.all(brokers.map((broker) => broker.close()));
      rmSync(folder, { recursive: true });
    });
  }

  /** Writes a program into the folder, and runs it in a process of its own: by plain Node, with the package as built. */
  node(name: string, program: string): Promise<Run> {
    const preload = pathToFileURL(join(ROOT, "test/docs/network.mjs")).href;
    writeFileSync(join(this.folder, name), program);
    return this.#run(process.execPath, ["--import", preload, name]);
  }

  /** The same in Python. */
  python(interpreter: string, program: string, args: readonly string[]): Promise<Run> {
    const name = "example.py";
    writeFileSync(join(this.folder, name), program);
    return this.#run(interpreter, [name, ...args]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end();
  }

  #run(command: string, args: readonly string[]): Promise<Run> {
    const options = { cwd: this.folder, env: this.#env, timeout: PATIENCE_MS };
    return new Promise((resolve) => {
      const child = execFile(command, args, options, (_, out, error) => {
        resolve({ code: child.exitCode ?? undefined, out, error });
      });
    });
  }
}

/** The right time, as an NTP server of stratum 1 says it (RFC 5905, figure 8). */
function timeAnswer(request: Buffer): Buffer {
  const answer = Buffer.alloc(48);
  answer[0] = (4 << 3) | 4; // no leap second, version 4, server
  answer[1] = 1;
  answer[3] = 0xec; // a precision of 2^-20 s
  request.copy(answer, 24, 40, 48);
  const now = Date.now() / 1000 + NTP_TO_UNIX_S;
  for (const at of [16, 32, 40]) {
    answer.writeUInt32BE(Math.floor(now), at);
    answer.writeUInt32BE(Math.floor((now % 1) * 2 ** 32), at + 4);
  }
  return answer;
}
