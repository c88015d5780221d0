import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { withHostsFile } from "../../lab/hosts-file.js";
import { type Host, type Lab, type LabDescription, type LongRunning, makeKeys } from "../../lab/index.js";
import type { Finished } from "../../lab/run.js";
import type { MeshInfo } from "../../src/info.js";
import type { NetworkInfo } from "../../src/membership/requests.js";

const BIN: string = join(import.meta.dirname, "../../bin/sidewire-mesh.js");

/** What is in a host's file before anything is done to it. */
export const HOSTS = "127.0.0.1\tlocalhost\n# no end";

/** A host of a lab that is a member of a network, or is to be one, and the command on it. */
export class LabMember {
  readonly host: Host;
  readonly stateFolder: string;
  /** What is /etc/hosts there. */
  readonly hostsFile: string;
  areHostsReadOnly = false;
  /** How long a daemon may take to be ready, ms; undefined: as long as any program of a lab. */
  patienceMs: number | undefined;
  readonly #lab: Lab;
  #daemon: LongRunning | undefined;

  constructor(lab: Lab, name: string) {
    this.host = lab.host(name);
    this.stateFolder = join(lab.folder, `state-${name}`);
    this.hostsFile = join(lab.folder, `hosts-${name}`);
    writeFileSync(this.hostsFile, HOSTS);
    this.#lab = lab;
  }

  /** All that the daemon of now has written. */
  get log(): string {
    return this.#daemon?.log ?? "";
  }

  /** Of the daemon of now. */
  get pid(): number {
    return this.#daemon?.pid ?? 0;
  }

  /** Makes an interface as a user does, looks after it, and founds a network of it with the first token. */
  async found(...options: readonly string[]): Promise<string> {
    const { privateKey } = await makeKeys(this.host.namespace);
    await this.host.wireguard({ privateKey, address: "10.9.0.1/24" });
    await this.up();
    return await this.invite("--network", "office", "--name", this.host.name, ...options);
  }

  async invite(...options: readonly string[]): Promise<string> {
    return (await this.ask("invite", ...options)).trim();
  }

  /** Starts to join, under the host's own name, and looks after the interface from then on. */
  join(token: string, ...options: readonly string[]): LongRunning {
    return this.start([
      ...["join", token, "--interface", this.host.interface, "--name", this.host.name],
      ...["--state", this.stateFolder, "--stun", this.#lab.stun.join(","), ...options],
    ]);
  }

  async up(...options: readonly string[]): Promise<void> {
    this.start([
      ...["up", this.host.interface, "--brokers", this.#lab.brokersFile],
      ...["--state", this.stateFolder, "--stun", this.#lab.stun.join(","), ...options],
    ]);
    await this.ready();
  }

  /** Resolves once the daemon looks after the interface. */
  async ready(): Promise<void> {
    await this.#daemon?.wrote(/is looked after/, this.patienceMs);
  }

  /** Resolves once the daemon has written something. */
  async wrote(what: RegExp): Promise<void> {
    await this.#daemon?.wrote(what);
  }

  start(args: readonly string[]): LongRunning {
    this.#daemon = this.host.spawn(this.#withHosts([process.execPath, BIN, ...args]), this.#env);
    return this.#daemon;
  }

  /** Starts a command that stays, beside the daemon. */
  startBeside(args: readonly string[]): LongRunning {
    return this.host.spawn([process.execPath, BIN, ...args], this.#env);
  }

  /** Ends the daemon as Ctrl-C does. */
  async stop(): Promise<void> {
    this.#daemon?.signal("SIGINT");
    await this.#daemon?.wrote(/\(ended with/);
  }

  kill(): void {
    this.#daemon?.signal("SIGKILL");
  }

  /** Runs the command to its end. @returns what it wrote; throws when it fails */
  async ask(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  async run(args: readonly string[]): Promise<Finished> {
    return await this.host.tryRun([process.execPath, BIN, ...args], { env: this.#env });
  }

  async network(): Promise<NetworkInfo> {
    return JSON.parse(await this.ask("members", "--json"));
  }

  /** Names of the members, as this host knows them. */
  async names(): Promise<string[]> {
    return (await this.network()).members.map(({ name }) => name).toSorted();
  }

  /** Public keys of the peers that a path leads to. */
  async reached(): Promise<string[]> {
    const { peers }: MeshInfo = JSON.parse(await this.ask("status", "--json"));
    return peers.filter(({ path }) => path !== undefined).map(({ publicKey }) => publicKey);
  }

  /** Public keys of the peers that WireGuard has here. */
  async peers(): Promise<string[]> {
    return (await this.host.run(["wg", "show", this.host.interface, "peers"])).split("\n").filter(Boolean);
  }

  /** The host's hosts file. */
  hosts(): string {
    return readFileSync(this.hostsFile, "utf8");
  }

  /** Whether a name leads to a host that answers by the tunnel. */
  async canReachByName(name: string): Promise<boolean> {
    const argv = ["ping", "-n", "-4", "-c1", "-W1", "-I", this.host.interface, name];
    return (await this.host.tryRun(this.#withHosts(argv))).code === 0;
  }

  /** Whether an address answers by the tunnel; a packet that is sent before there is one would be seen outside. */
  async canReach(address: string): Promise<boolean> {
    const argv = ["ping", "-n", "-c1", "-W1", "-I", this.host.interface, address];
    return (await this.host.tryRun(argv)).code === 0;
  }

  #withHosts(argv: readonly string[]): string[] {
    return withHostsFile(this.hostsFile, argv, this.areHostsReadOnly);
  }

  get #env(): NodeJS.ProcessEnv {
    return { ...process.env, RUNTIME_DIRECTORY: join(this.#lab.folder, `run-${this.host.name}`) };
  }
}

/** Hosts that are each behind a NAT of its own, with what members of a network need in the middle. */
export function homes(...names: readonly string[]): LabDescription {
  return {
    nats: Object.fromEntries(names.map((name) => [`n${name}`, { kind: "port-restricted" }])),
    hosts: Object.fromEntries(names.map((name) => [name, { behind: `n${name}` }])),
    brokers: 1,
    stun: true,
  };
}

/** Founds a network at the first host, and lets the others join one after the other. */
export async function makeNetwork([first, ...others]: readonly [LabMember, ...LabMember[]]): Promise<void> {
  const token = await first.found("--uses", String(Math.max(1, others.length)));
  for (const one of others) {
    one.join(token);
    await one.ready();
  }
}

/**
 * Waits until something holds.
 * @param gapMs - between two looks
 * @returns how long it took, ms
 */
export async function until(
  holds: () => Promise<boolean>,
  timeoutMs: number = 15_000,
  gapMs: number = 5,
): Promise<number> {
  const startedAt = performance.now();
  for (; !(await holds().catch(() => false)); await delay(gapMs))
    if (performance.now() - startedAt > timeoutMs) throw new Error(`not so after ${timeoutMs} ms`);
  return performance.now() - startedAt;
}
