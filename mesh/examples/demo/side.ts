import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import type { Host, Lab, LongRunning } from "../../lab/index.js";
import { WIREGUARD_SOCKETS } from "../../lab/names.js";
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

/** One of the two hosts, and the command on it. */
export class Side {
  readonly name: string;
  readonly host: Host;
  /** base64. */
  readonly publicKey: string;
  /** In the overlay. */
  readonly address: string;
  readonly #command: string;
  readonly #options: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  #daemon: LongRunning | undefined;

  constructor(lab: Lab, host: Host, command: string, publicKey: string, address: string) {
    this.name = host.name;
    this.host = host;
    this.publicKey = publicKey;
    this.address = address;
    this.#command = command;
    const state = join(lab.folder, `state-${host.name}`);
    this.#options = ["--brokers", lab.brokersFile, "--stun", lab.stun.join(","), "--state", state];
    this.#env = { ...process.env, RUNTIME_DIRECTORY: join(lab.folder, `run-${host.name}`) };
  }

  /** Begins to look after the interface: `sidewire-mesh up`. */
  up(): void {
    const args = ["up", this.host.interface, ...this.#options, "--json"];
    this.#daemon = this.host.node(this.#command, args, this.#env);
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

  /** What the daemon says of the other host, and of itself. */
  async status(): Promise<MeshInfo> {
    return JSON.parse((await this.run(["status", this.host.interface, "--json"])).stdout);
  }

  /** When WireGuard last completed a handshake, Unix ms. `wg` shows whole seconds, wireguard-go knows it better. */
  async handshakeAt(): Promise<number | undefined> {
    const socket = connect(join(WIREGUARD_SOCKETS, `${this.host.interface}.sock`));
    // It answers until we are gone.
    socket.write("get=1\n\n");
    let answer = "";
    for await (const chunk of socket) {
      answer += chunk;
      if (answer.endsWith("\n\n")) break;
    }
    const [seconds = 0, nanoseconds = 0] = ["sec", "nsec"].map((unit) =>
      Number(new RegExp(`^last_handshake_time_${unit}=(\\d+)$`, "m").exec(answer)?.[1] ?? 0),
    );
    return seconds === 0 ? undefined : seconds * 1000 + nanoseconds / 1e6;
  }
}
