import { readFileSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { withHostsFile } from "../../lab/hosts-file.js";
import { type Host, type Lab, makeKeys } from "../../lab/index.js";
import type { NetworkInfo } from "../../src/membership/requests.js";
import { CommandedHost } from "./commanded-host.js";

/** A host that is a member of a network, or is to be one, and the command on it. */
export class Member extends CommandedHost {
  readonly #lab: Lab;
  /** What programs on it see as /etc/hosts. */
  readonly #hostsFile: string;

  constructor(lab: Lab, host: Host, command: string) {
    super(lab, host, command);
    this.#lab = lab;
    this.#hostsFile = join(lab.folder, `hosts-${host.name}`);
    writeFileSync(this.#hostsFile, "127.0.0.1 localhost\n");
  }

  /** Makes an interface, which relays for others, and founds a network of it. @returns the token for the others */
  async found(network: string, address: string, uses: number): Promise<string> {
    const { privateKey } = await makeKeys(this.host.namespace);
    const keyFile = join(this.#lab.folder, `key-${this.name}`);
    writeFileSync(keyFile, `${privateKey}\n`, { mode: 0o600 });
    const { interface: name } = this.host;
    this.up("--create", "--private-key", keyFile, "--address", address, "--relay");
    await this.until(({ event }) => event === "ready", 20_000, "it was not ready");
    const options = ["--network", network, "--name", this.name, "--uses", String(uses)];
    const { code, stdout, stderr } = await this.run(["invite", name, ...options, "--json"]);
    if (code !== 0) throw new Error(`${this.name}: invite failed: ${stderr}`);
    const { token }: { token: string } = JSON.parse(stdout);
    return token;
  }

  /** Becomes a member: `sidewire-mesh join`. */
  join(token: string): void {
    const { stun } = this.#lab;
    const options = ["--interface", this.host.interface, "--name", this.name, "--stun", stun.join(",")];
    this.start(["join", token, ...options]);
  }

  /** Goes on with it: `sidewire-mesh up`. */
  up(...options: readonly string[]): void {
    const { brokersFile, stun } = this.#lab;
    const servers = ["--brokers", brokersFile, "--stun", stun.join(",")];
    this.start(["up", this.host.interface, ...servers, ...options]);
  }

  async network(): Promise<NetworkInfo> {
    return JSON.parse((await this.run(["members", this.host.interface, "--json"])).stdout);
  }

  /** Public keys of the peers that its WireGuard has. */
  async peers(): Promise<string[]> {
    return (await this.host.run(["wg", "show", this.host.interface, "peers"])).split("\n").filter(Boolean);
  }

  /** Whether a host that is called by its name, or by its address, answers by the tunnel. */
  async reaches(name: string): Promise<boolean> {
    // A name that is not there yet would be asked of DNS, which nobody answers here.
    if (!isIP(name) && !readFileSync(this.#hostsFile, "utf8").includes(` ${name} `)) return false;
    const argv = ["ping", "-n", "-4", "-c1", "-W1", "-I", this.host.interface, name];
    return (await this.host.tryRun(this.wrapped(argv))).code === 0;
  }

  protected override wrapped(argv: readonly string[]): string[] {
    return withHostsFile(this.#hostsFile, argv);
  }
}
