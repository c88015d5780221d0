import { setTimeout as delay } from "node:timers/promises";
import type { InterfaceAddress, NewPeer } from "../device/create.js";
import { parseAddress } from "../ip/address.js";
import { contains, formatPrefix, type Prefix } from "../ip/prefix.js";
import { parseKey } from "../wireguard-key.js";
import { type Fetched, type FetchOptions, fetchText } from "./fetch.js";
import { MAX_NODE_BYTES, type NodeInfo, parseNodeFile } from "./node-file.js";
import { addressOf, ownAddressOf } from "./numbering.js";
import { MAX_LIST_BYTES, parsePeerList } from "./peer-list.js";
import { shownAddress } from "./web-address.js";

/** How often the list and the nodes are asked, in ms: usually, and while a node was never reached. */
const POLL_MS = 30_000;
const UNKNOWN_POLL_MS = 5_000;

/** How many nodes are asked at the same time. */
const AT_ONCE = 8;

/** What a directory needs. */
export interface DirectoryMeans {
  /** Where the list is: a URL, or the path of a file. */
  readonly source: URL | string;
  /** The range in which nodes are numbered. Default: nodes have no numbers. */
  readonly overlay?: Prefix | undefined;
  /** The own public key now, in base64. */
  readonly publicKey: () => string;
  /** Called when the peers or the own address have changed. */
  readonly onChanged: (listed: Listed) => Promise<void>;
  /** Called with a problem in one sentence; once, until it is another problem. */
  readonly onTrouble: (message: string) => void;
  readonly readFile: (path: string) => Promise<string>;
  /** For tests. Default: {@link fetchText} */
  readonly fetch?: (url: URL, options: FetchOptions) => Promise<Fetched>;
  /** For tests. Default: 30 s, and 5 s while a node was never reached. */
  readonly pollMs?: number | undefined;
}

/** What a list of nodes means for this host. */
export interface Listed {
  readonly peers: readonly NewPeer[];
  /** The own address by the own index; undefined while the index is not known. */
  readonly own: InterfaceAddress | undefined;
}

/** A node in the list. What it has said stays known until it says something else. */
interface Node {
  info?: NodeInfo | undefined;
  tag?: string | undefined;
}

/**
 * Reads the list of nodes regularly, and asks each node for its key and its place. When something fails, what was known
 * before stays.
 */
export class Directory {
  readonly #means: DirectoryMeans;
  readonly #ending = new AbortController();
  /** The URLs in the order of the list, and the node of each URL. */
  #urls: readonly string[] = [];
  #nodes = new Map<string, Node>();
  #listTag: string | undefined;
  /** The known problem of each place, which is told once. */
  readonly #troubles = new Map<string, string>();
  #told: string | undefined;
  #isStale = false;
  #applying: Promise<void> | undefined;
  #polling: Promise<void> | undefined;
  /** Ends the pause between two rounds. */
  #wake = new AbortController();
  #isWanted = false;

  constructor(means: DirectoryMeans) {
    this.#means = means;
  }

  /** Begins to ask, and asks regularly. */
  start(): void {
    this.#polling ??= this.#poll();
  }

  /** Asks the list and the nodes now, or once more after the round that runs. */
  again(): void {
    this.#isWanted = true;
    this.#wake.abort();
  }

  /** What is known now. */
  listed(): Listed {
    const { overlay, publicKey } = this.#means;
    const own = publicKey();
    const seen = new Set<string>();
    const peers: NewPeer[] = [];
    let address: InterfaceAddress | undefined;
    for (const [index, url] of this.#urls.entries()) {
      const info = this.#nodes.get(url)?.info;
      if (info === undefined) continue;
      const isTwice = seen.has(info.publicKey);
      seen.add(info.publicKey);
      if (isTwice) {
        this.#trouble(`key ${url}`, `${shown(url)}: it has the key of another node, which counts`);
        continue;
      }
      const inOverlay = overlay && addressOf(overlay, index);
      if (overlay !== undefined && inOverlay === undefined)
        this.#trouble(
          `room ${url}`,
          `${shown(url)}: the overlay has no address for number ${index} of the list`,
        );
      if (info.publicKey === own) address = overlay && ownAddressOf(overlay, index);
      else if (overlay === undefined || inOverlay !== undefined)
        peers.push({
          publicKey: parseKey(info.publicKey),
          allowedIps: inOverlay === undefined ? [] : [{ address: inOverlay, bits: inOverlay.length * 8 }],
          ...this.#placeOf(info),
        });
    }
    return { peers, own: address };
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.#polling;
    await this.#applying;
  }

  /** A place in the overlay would lead into the tunnel itself. */
  #placeOf({ endpoint }: NodeInfo): Pick<NewPeer, "endpoint"> {
    const { overlay } = this.#means;
    const bytes = endpoint && parseAddress(endpoint.address);
    if (endpoint === undefined || bytes === undefined) return {};
    return overlay !== undefined && contains(overlay, bytes) ? {} : { endpoint };
  }

  async #poll(): Promise<void> {
    const { signal } = this.#ending;
    const { pollMs } = this.#means;
    while (!signal.aborted) {
      this.#isWanted = false;
      await this.#round();
      this.#wake = new AbortController();
      if (this.#isWanted) continue;
      const either = AbortSignal.any([signal, this.#wake.signal]);
      const isUnknown = [...this.#nodes.values()].some(({ info }) => info === undefined);
      const pause = pollMs ?? (isUnknown ? UNKNOWN_POLL_MS : POLL_MS);
      await delay(pause, undefined, { signal: either }).catch(() => {});
    }
  }

  async #round(): Promise<void> {
    await this.#readList();
    const waiting = [...this.#nodes];
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        if (this.#ending.signal.aborted) return;
        await this.#ask(...next);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    this.#changed();
    const { overlay } = this.#means;
    if (overlay === undefined || this.#urls.length === 0 || this.listed().own !== undefined)
      this.#well("own");
    else
      this.#trouble(
        "own",
        `this host has no address in ${formatPrefix(overlay)} yet: no URL of the list leads from here to its own key`,
      );
  }

  async #readList(): Promise<void> {
    const { source } = this.#means;
    const name = typeof source === "string" ? source : shownAddress(source);
    try {
      const { text, tag } = await this.#textOfList(source);
      if (text === undefined) return this.#well("list");
      const urls = parsePeerList(text);
      // An empty file is more likely a mistake than a network that everybody has left.
      if (urls.length === 0) throw new Error("the list is empty");
      this.#listTag = tag;
      const before = this.#nodes;
      this.#urls = urls.map(({ href }) => href);
      this.#nodes = new Map(this.#urls.map((url) => [url, before.get(url) ?? {}]));
      this.#well("list");
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      // The errors of requests name the place already.
      const whole = why.startsWith(name) ? why : `${name}: ${why}`;
      this.#trouble(
        "list",
        `the list of peers: ${whole}. ${this.#nodes.size > 0 ? "The last list stays" : "There are no peers yet"}`,
      );
    }
  }

  async #textOfList(source: URL | string): Promise<Fetched> {
    const { readFile, fetch = fetchText } = this.#means;
    const { signal } = this.#ending;
    if (typeof source !== "string")
      return await fetch(source, { maxBytes: MAX_LIST_BYTES, tag: this.#listTag, signal });
    const text = await readFile(source);
    if (text.length > MAX_LIST_BYTES) throw new Error(`it has more than ${MAX_LIST_BYTES} bytes`);
    return { text, tag: undefined };
  }

  async #ask(url: string, node: Node): Promise<void> {
    const { fetch = fetchText } = this.#means;
    try {
      const options = { maxBytes: MAX_NODE_BYTES, tag: node.tag, signal: this.#ending.signal };
      const { text, tag } = await fetch(new URL(url), options);
      if (text !== undefined) {
        node.info = parseNodeFile(text);
        node.tag = tag;
      }
      this.#well(url);
      this.#changed();
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      this.#trouble(url, why.startsWith(shown(url)) ? why : `${shown(url)}: ${why}`);
    }
  }

  /** Tells what is known now, if it is something else than before. */
  #changed(): void {
    this.#isStale = true;
    this.#applying ??= this.#apply().finally(() => {
      this.#applying = undefined;
    });
  }

  async #apply(): Promise<void> {
    while (this.#isStale && !this.#ending.signal.aborted) {
      this.#isStale = false;
      const listed = this.listed();
      const text = JSON.stringify(listed);
      if (text === this.#told) continue;
      try {
        await this.#means.onChanged(listed);
        this.#told = text;
        this.#well("apply");
      } catch (error) {
        // The next round tries again.
        this.#trouble("apply", `the list of peers: ${error instanceof Error ? error.message : error}`);
      }
    }
  }

  #trouble(place: string, message: string): void {
    if (this.#troubles.get(place) === message) return;
    this.#troubles.set(place, message);
    this.#means.onTrouble(message);
  }

  #well(place: string): void {
    this.#troubles.delete(place);
  }
}

function shown(url: string): string {
  return shownAddress(new URL(url));
}
