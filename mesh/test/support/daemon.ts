import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host, Lab, LongRunning, Wireguard } from "../../lab/index.js";
import type { MeshInfo, PeerInfo } from "../../src/info.js";
import type { MeshTimes } from "../../src/mesh-options.js";

const PROGRAM: string = join(import.meta.dirname, "mesh-program.ts");
const COMMAND: string = join(import.meta.dirname, "../../bin/sidewire-mesh.js");

/** The command, as a daemon on a host of a lab. It ends with the lab at the latest. */
export class Daemon {
  readonly #host: Host;
  readonly #interface: string;
  readonly process: LongRunning;
  readonly stateFolder: string;

  private constructor(host: Host, name: string, process: LongRunning, stateFolder: string) {
    this.#host = host;
    this.stateFolder = stateFolder;
    this.#interface = name;
    this.process = process;
  }

  /**
   * @param options.stateFolder - default: a new one
   * @param options.brokers - a file of brokers. Default: that of the lab
   * @param options.nameServer - the address of the only name server that there is. Default: those of the machine
   * @param options.more - further options of `up`
   * @param options.preload - the URL of a module that is loaded before it
   * @param options.times - with them it runs from its source, which takes it longer to start
   */
  static start(
    lab: Lab,
    host: Host,
    wireguard: Wireguard,
    options: {
      readonly stateFolder?: string;
      readonly stun?: readonly string[];
      readonly brokers?: string;
      readonly nameServer?: string;
      readonly more?: readonly string[];
      readonly preload?: string;
      readonly times?: MeshTimes;
    } = {},
  ): Daemon {
    const { stateFolder = mkdtempSync(join(lab.folder, "state-")), stun = lab.stun, more = [] } = options;
    const { brokers = lab.brokersFile, nameServer, preload, times } = options;
    const argv = [
      ...(nameServer === undefined ? [] : withNameServer(lab, nameServer)),
      process.execPath,
      ...(preload === undefined ? [] : ["--import", preload]),
      ...(times === undefined ? [COMMAND] : ["--import", "tsx", PROGRAM, JSON.stringify(times)]),
      ...["up", wireguard.interface, "--json", "--state", stateFolder],
      ...more,
      ...["--brokers", brokers, ...(stun.length > 0 ? ["--stun", stun.join(",")] : [])],
    ];
    return new Daemon(host, wireguard.interface, host.spawn(argv), stateFolder);
  }

  /** Resolves once it looks after the interface. */
  async ready(): Promise<void> {
    await this.process.wrote(/"event":"ready"/);
  }

  /** What it last told of a peer. */
  last(publicKey: string): (PeerInfo & { readonly time: number }) | undefined {
    return this.peers().findLast((peer) => peer.publicKey === publicKey);
  }

  /** All that it has told of peers, in order, with the time of each: Unix ms. */
  peers(): (PeerInfo & { readonly time: number })[] {
    const lines = this.process.log.split("\n").filter((line) => line.startsWith('{"event":"peer"'));
    return lines.map((line) => JSON.parse(line));
  }

  /** Resolves with what is told of a peer once it is so. */
  async until(
    publicKey: string,
    holds: (peer: PeerInfo) => boolean,
    timeoutMs = 20_000,
  ): Promise<PeerInfo & { readonly time: number }> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const last = this.last(publicKey);
      if (last !== undefined && holds(last)) return last;
      const left = Math.max(0, deadline - performance.now());
      const { length } = this.process.log;
      // More is written: looked at again.
      await this.process.wrote(new RegExp(`^[\\s\\S]{${length + 1},}`), left).catch((error: unknown) => {
        throw new Error(`${this.#interface} says ${JSON.stringify(last)}`, { cause: error });
      });
    }
  }

  /** What `status --json` says. */
  async status(): Promise<MeshInfo> {
    return JSON.parse(await this.#host.run([process.execPath, COMMAND, "status", this.#interface, "--json"]));
  }

  /** Ends it as Ctrl-C does, and waits for it. */
  async stop(): Promise<void> {
    this.process.signal("SIGINT");
    await this.process.wrote(/\(ended with/);
  }
}

/** What runs a program for which the system has one name server alone: mounts are of a process here. */
function withNameServer(lab: Lab, address: string): string[] {
  const file = join(mkdtempSync(join(lab.folder, "names-")), "resolv.conf");
  writeFileSync(file, `nameserver ${address}\n`);
  const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  return ["unshare", "--mount", "sh", "-c", script, file];
}
