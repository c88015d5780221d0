import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Host, Lab, LongRunning } from "../../lab/index.js";
import type { Finished } from "../../lab/run.js";
import type { CandidateInfo, MeshInfo, MeshStep, PeerInfo } from "../../src/info.js";
import { until } from "./until.js";

/** What a daemon tells with `--json`, with the time of each: Unix ms. */
export type Told = { readonly time: number } & (
  | { readonly event: "ready"; readonly listenPort: number }
  | ({ readonly event: "step" } & MeshStep)
  | ({ readonly event: "peer" } & PeerInfo)
  | { readonly event: "candidates"; readonly candidates: readonly CandidateInfo[] }
);

/** A host, and the command on it. */
export class CommandedHost {
  readonly name: string;
  readonly host: Host;
  /** Of each `up` and `join`. */
  readonly stateFolder: string;
  readonly #command: string;
  readonly #env: NodeJS.ProcessEnv;
  #daemon: LongRunning | undefined;

  constructor(lab: Lab, host: Host, command: string) {
    this.name = host.name;
    this.host = host;
    this.stateFolder = join(lab.folder, `state-${host.name}`);
    this.#command = command;
    this.#env = { ...process.env, RUNTIME_DIRECTORY: join(lab.folder, `run-${host.name}`) };
  }

  /** Starts a daemon: `up` or `join`. */
  start(args: readonly string[]): void {
    const all = [...args, "--state", this.stateFolder, "--json"];
    this.#daemon = this.host.spawn(this.wrapped([process.execPath, this.#command, ...all]), this.#env);
  }

  /** All that the daemon has told. */
  told(): Told[] {
    const lines = (this.#daemon?.log ?? "").split("\n").slice(0, -1);
    return lines.filter((line) => line.startsWith("{")).map((line): Told => JSON.parse(line));
  }

  /** Waits until the daemon has told something. */
  async until(holds: (told: Told) => boolean, timeoutMs: number, otherwise: string): Promise<Told> {
    if (this.#daemon === undefined) throw new Error(`${this.name} was not started`);
    return await until(this.#daemon, () => this.told().find(holds), timeoutMs, `${this.name}: ${otherwise}`);
  }

  /** Runs the command to its end. */
  async run(args: readonly string[]): Promise<Finished> {
    return await this.host.tryRun([process.execPath, this.#command, ...args], { env: this.#env });
  }

  /** Runs the command so that it writes where we write, as in a shell of its host. */
  async show(args: readonly string[]): Promise<void> {
    const [program = "", ...rest] = this.host.namespace.command([process.execPath, this.#command, ...args]);
    const child = spawn(program, rest, { env: this.#env, stdio: ["ignore", "inherit", "inherit"] });
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`${this.name}: sidewire-mesh ${args.join(" ")} ended with ${code}`);
  }

  /** What the daemon says of its peers, and of itself. */
  async status(): Promise<MeshInfo> {
    return JSON.parse((await this.run(["status", this.host.interface, "--json"])).stdout);
  }

  /** The command that stands for a daemon's. */
  protected wrapped(argv: readonly string[]): readonly string[] {
    return argv;
  }
}
