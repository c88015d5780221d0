import type { NewPeer } from "../device/create.js";
import type { ChangeableOptions } from "../mesh-options.js";
import { formatKey, publicKeyOf } from "../wireguard-key.js";
import { reasonOf } from "./failure.js";
import type { Output } from "./output.js";
import { count, printable } from "./printable.js";
import type { UpSettings } from "./up-settings.js";

/** The settings that take effect only at a start, with their names in the own format. */
const AT_START: Readonly<Partial<Record<keyof UpSettings, string>>> = {
  interface: "interface",
  brokers: "brokers",
  stun: "stun",
  turn: "turn",
  relay: "relay",
  lazy: "lazy",
  router: "router",
  chatty: "chatty",
  lanDiscovery: "lanDiscovery",
  portMapping: "portMapping",
  externalPort: "externalPort",
  reported: "reportInterfaces, hideInterfaces",
  metrics: "metrics",
  hosts: "hosts",
  dns: "dns",
  peersUrl: "peersUrl",
  publish: "publish",
  indexOverlay: "indexOverlay",
  stateFolder: "stateFolder",
};

/** What is needed to reload. */
export interface ReloadMeans {
  /** The settings of the start. */
  readonly settings: UpSettings;
  /** Reads the settings again. */
  readonly read: () => Promise<UpSettings>;
  readonly output: Pick<Output, "result" | "warn">;
}

/** The daemon that a reload changes. */
export interface Reloaded {
  /** Uses the settings. */
  readonly apply: (settings: UpSettings & ChangeableOptions) => Promise<void>;
  /** The own public key now, in base64. */
  readonly publicKey: () => string;
}

/**
 * Reads the configuration again, and uses it without an interruption of tunnels. If the configuration cannot be used,
 * the settings stay as they are.
 */
export class Reload {
  readonly #means: ReloadMeans;
  /** The settings in use. */
  #settings: UpSettings;
  /** Undefined while the daemon starts. */
  #daemon: Reloaded | undefined;
  #running: Promise<void> | undefined;
  #isAsked = false;
  #isClosed = false;

  constructor(means: ReloadMeans) {
    this.#means = means;
    this.#settings = means.settings;
  }

  /** Reloads now; after the start of the daemon; or once more after the reload that runs. */
  readonly ask = (): void => {
    this.#isAsked = true;
    this.#begin();
  };

  /** Must be called when the daemon has started. */
  start(daemon: Reloaded): void {
    this.#daemon = daemon;
    if (this.#isAsked) this.#begin();
  }

  /** Ends after the reload that runs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  #begin(): void {
    const daemon = this.#daemon;
    if (daemon === undefined) return;
    this.#running ??= this.#reloadWhileAsked(daemon).finally(() => {
      this.#running = undefined;
    });
  }

  async #reloadWhileAsked(daemon: Reloaded): Promise<void> {
    while (this.#isAsked && !this.#isClosed) {
      this.#isAsked = false;
      await this.#reload(daemon);
    }
  }

  async #reload({ apply, publicKey }: Reloaded): Promise<void> {
    const { settings: first, read, output } = this.#means;
    try {
      const next = await read();
      const told = new Set(this.#settings.notes);
      for (const note of next.notes ?? []) if (!told.has(note)) output.warn(note);
      // Where a start would be necessary, the other settings take effect all the same.
      const waiting = waitingIn(first, next, publicKey());
      if (waiting.length > 0)
        output.warn(`${waiting.join(", ")}: changed, and takes effect when the daemon is started again`);
      await apply(next);
      const changes = changesOf(peersOf(this.#settings), peersOf(next));
      this.#settings = next;
      const { interface: name } = first;
      await output.result(
        { event: "reloaded", time: Date.now(), interface: name, ...changes, waiting },
        () => `${printable(name)} is reloaded: ${inWords(changes)}`,
      );
    } catch (error) {
      output.warn(`cannot reload, and the settings stay as they are: ${reasonOf(error)}`);
    }
  }
}

/** How the peers of the configuration have changed. The peers are named by their public keys in base64. */
interface Changes {
  readonly peers: number;
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

function changesOf(before: readonly NewPeer[], after: readonly NewPeer[]): Changes {
  const [old, now] = [before, after].map(
    (peers) => new Set(peers.map(({ publicKey }) => formatKey(publicKey))),
  );
  return {
    peers: after.length,
    added: [...(now ?? [])].filter((key) => !old?.has(key)),
    removed: [...(old ?? [])].filter((key) => !now?.has(key)),
  };
}

function inWords({ peers, added, removed }: Changes): string {
  const parts = [
    ...(added.length > 0 ? [`${added.length} added`] : []),
    ...(removed.length > 0 ? [`${removed.length} removed`] : []),
  ];
  const what = parts.length === 0 ? "" : ` (${parts.join(", ")})`;
  return `${count(peers, "peer")} in the configuration${what}`;
}

function peersOf({ create, peers = [] }: UpSettings): readonly NewPeer[] {
  return create?.peers ?? peers;
}

/** The settings that differ from those of the start and cannot be changed while the daemon runs. */
function waitingIn(first: UpSettings, next: UpSettings, publicKey: string): string[] {
  const names = Object.entries(AT_START).flatMap(([field, name]) => {
    const [before, after] = [first, next].map((one) => JSON.stringify(one[field as keyof UpSettings]));
    return before === after ? [] : [name];
  });
  if ((first.create === undefined) !== (next.create === undefined)) names.push("create");
  if (first.create?.listenPort !== next.create?.listenPort) names.push("listenPort");
  // A member may have got a new key meanwhile, so the key of the start does not count.
  const { privateKey } = next.create ?? {};
  if (privateKey !== undefined && formatKey(publicKeyOf(privateKey)) !== publicKey) names.push("privateKey");
  return names;
}
