import { readFile } from "node:fs/promises";
import type { Settings } from "../config/settings.js";
import type { InterfaceAddress, NewPeer } from "../device/create.js";
import { Directory, type Listed } from "../dstack/directory.js";
import { NodeServer } from "../dstack/node-server.js";
import type { MeshInfo } from "../info.js";
import { formatPrefix } from "../ip/prefix.js";
import { formatKey } from "../wireguard-key.js";
import type { Output } from "./output.js";
import { count, printable } from "./printable.js";

/** What listed peers need. */
export interface ListedPeersMeans {
  readonly settings: Pick<Settings, "peersUrl" | "publish" | "indexOverlay"> & { readonly interface: string };
  readonly mesh: { info(): MeshInfo };
  /** Uses other listed peers and another own address. */
  readonly apply: (listed: Listed) => Promise<void>;
  readonly output: Pick<Output, "result" | "warn">;
}

/** The peers of a list of nodes, and this host as a node for others. */
export class ListedPeers implements AsyncDisposable {
  readonly #means: ListedPeersMeans;
  readonly #directory: Directory | undefined;
  #server: NodeServer | undefined;
  #own: InterfaceAddress | undefined;
  #peers: readonly NewPeer[] = [];

  private constructor(means: ListedPeersMeans) {
    this.#means = means;
    const { settings, mesh, output } = means;
    const { peersUrl: source, indexOverlay: overlay } = settings;
    if (source !== undefined)
      this.#directory = new Directory({
        ...{ source, overlay },
        publicKey: () => mesh.info().publicKey,
        onChanged: (listed) => this.#use(listed),
        onTrouble: (message) => output.warn(message),
        readFile: (path) => readFile(path, "utf8"),
      });
  }

  /** @throws {@link MeshError} `COMMAND_FAILED` when the port cannot be used */
  static async open(means: ListedPeersMeans): Promise<ListedPeers> {
    const { settings, mesh } = means;
    const listed = new ListedPeers(means);
    // The list usually names this node, too, so the node must answer before the list is read.
    if (settings.publish !== undefined)
      listed.#server = await NodeServer.open(settings.publish, {
        info: () => mesh.info(),
        own: () => listed.#own,
        getTime: Date.now,
      });
    listed.#directory?.start();
    return listed;
  }

  /** Reads the list again now. */
  again(): void {
    this.#directory?.again();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#directory?.close();
    await this.#server?.[Symbol.asyncDispose]();
  }

  async #use(listed: Listed): Promise<void> {
    const { apply, output, settings } = this.#means;
    await apply(listed);
    const [before, own] = [this.#own?.address, listed.own?.address];
    const renumbered = renumberedIn(this.#peers, listed.peers);
    this.#own = listed.own;
    this.#peers = listed.peers;
    const event = { event: "listed", time: Date.now(), interface: settings.interface };
    await output.result({ ...event, address: own, before, peers: listed.peers.length, renumbered }, () => {
      const said = [
        `the list has ${count(listed.peers.length, "peer")}`,
        ...(own === before
          ? []
          : own === undefined
            ? [`this host has no address in it any more, and was ${before}`]
            : [`this host is ${own}${before === undefined ? "" : ` now, and was ${before}`}`]),
        ...(renumbered.length > 0 ? [`${count(renumbered.length, "peer")} got another address`] : []),
      ];
      return `${printable(settings.interface)}: ${said.join("; ")}`;
    });
  }
}

/** The peers that are in both lists and have other addresses, by public key in base64. */
function renumberedIn(before: readonly NewPeer[], after: readonly NewPeer[]): string[] {
  const textOf = ({ allowedIps }: NewPeer): string => allowedIps.map(formatPrefix).join();
  const old = new Map(before.map((peer) => [formatKey(peer.publicKey), textOf(peer)]));
  return after.flatMap((peer) => {
    const key = formatKey(peer.publicKey);
    return old.has(key) && old.get(key) !== textOf(peer) ? [key] : [];
  });
}
