import { join } from "node:path";
import { expect, it } from "vitest";
import { type Host, type Lab, type LongRunning, makeKeys } from "../../lab/index.js";
import type { Finished } from "../../lab/run.js";
import type { NetworkInfo } from "../../src/membership/requests.js";
import { withLab } from "../support/needs.js";

const BIN = join(import.meta.dirname, "../../bin/sidewire-mesh.js");

withLab("membership in the lab", (startLab) => {
  it("invites, joins, and the two reach each other", { timeout: 60_000 }, async () => {
    await using lab = await startLab({
      nats: { na: { kind: "port-restricted" }, nb: { kind: "port-restricted" } },
      hosts: { ha: { behind: "na" }, hb: { behind: "nb" } },
      brokers: 1,
      stun: true,
    });
    const a = new Side(lab, lab.host("ha"));
    const b = new Side(lab, lab.host("hb"));
    await a.found();
    const token = await a.invite();
    const startedAt = performance.now();
    b.start(["join", token, "--interface", b.name, "--name", "hb", "--stun", lab.stun.join(",")]);
    while (!(await a.host.canPing("10.9.0.2")) && performance.now() - startedAt < 15_000);
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeLessThan(3000);
  });
});

/** A host, and the command on it. */
class Side {
  readonly host: Host;
  readonly #lab: Lab;
  #daemon: LongRunning | undefined;

  constructor(lab: Lab, host: Host) {
    this.host = host;
    this.#lab = lab;
  }

  get name(): string {
    return this.host.interface;
  }

  get log(): string {
    return this.#daemon?.log ?? "";
  }

  /** An interface that the user has made himself, and a daemon that looks after it. */
  async found(): Promise<void> {
    const { privateKey } = await makeKeys(this.host.namespace);
    await this.host.wireguard({ privateKey, address: "10.9.0.1/24" });
    this.start(["up", this.name, "--brokers", this.#lab.brokersFile, "--stun", this.#lab.stun.join(",")]);
    await this.#daemon?.wrote(/is looked after/);
  }

  async invite(...options: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run([
      "invite",
      "--network",
      "office",
      "--name",
      this.host.name,
      ...options,
    ]);
    if (code !== 0) throw new Error(stderr);
    return stdout.trim();
  }

  async members(): Promise<NetworkInfo> {
    return JSON.parse((await this.run(["members", "--json"])).stdout);
  }

  start(args: readonly string[]): LongRunning {
    this.#daemon = this.host.node(
      BIN,
      [...args, "--state", join(this.#lab.folder, `state-${this.host.name}`)],
      this.#env,
    );
    return this.#daemon;
  }

  async run(args: readonly string[]): Promise<Finished> {
    return await this.host.tryRun([process.execPath, BIN, ...args], { env: this.#env });
  }

  get #env(): NodeJS.ProcessEnv {
    return { ...process.env, RUNTIME_DIRECTORY: join(this.#lab.folder, `run-${this.host.name}`) };
  }
}
