import { isNetworkNamed, type NamedNetwork } from "./host-names.js";
import { withBlock, withoutBlock } from "./hosts-block.js";
import { editHostsFile } from "./hosts-file.js";
import { NameServer } from "./name-server.js";

/** The file where the system looks up names before it asks DNS. */
export const HOSTS_FILE = "/etc/hosts";

/** What the names need. */
export interface NamesMeans {
  /** The name of the interface. */
  readonly interface: string;
  /** Whether names are written to the hosts file. If not, names of an earlier run are removed. */
  readonly isOn: boolean;
  /** Whether names are also answered by DNS, at the own addresses in the tunnel. Default: no. */
  readonly isServed?: boolean;
  readonly onWarning: (message: string) => void;
  /** Default: {@link HOSTS_FILE}. */
  readonly path?: string;
  /** For tests. */
  readonly lockFolder?: string;
}

/**
 * Keeps the names of a network's members in the hosts file until it is closed, and answers DNS for them if wanted. A
 * failure only causes a warning.
 */
export class Names {
  readonly #means: NamesMeans;
  readonly #path: string;
  #wanted: NamedNetwork | undefined;
  #isStale = false;
  #writing: Promise<void> | undefined;
  #trouble: string | undefined;
  #undone: string | undefined;
  #isClosed = false;
  readonly #server: NameServer | undefined;
  #served: readonly string[] = [];

  constructor(means: NamesMeans) {
    this.#means = means;
    this.#server = means.isServed ? new NameServer() : undefined;
    this.#path = means.path ?? HOSTS_FILE;
  }

  /** Why members have no names, one sentence each. Empty when they have names, or should have none. */
  get troubles(): readonly string[] {
    return [...(this.#trouble === undefined ? [] : [this.#trouble]), ...this.#served];
  }

  /** What {@link close} has restored, a few words for each change. */
  get undone(): readonly string[] {
    return this.#undone === undefined ? [] : [this.#undone];
  }

  /** Sets the network whose members get names. They are written soon afterwards. */
  set(network: NamedNetwork | undefined): void {
    if (this.#isClosed) return;
    this.#server?.set(network);
    this.#wanted = this.#means.isOn ? network : undefined;
    this.#write();
  }

  /** Sets the own addresses in the tunnel. */
  async serveAt(addresses: readonly string[]): Promise<void> {
    if (this.#server === undefined) return;
    await this.#server.listen(addresses);
    const before = this.#served;
    this.#served = this.#server.troubles;
    for (const trouble of this.#served) if (!before.includes(trouble)) this.#means.onWarning(trouble);
  }

  /** Removes the names. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wanted = undefined;
    this.#write();
    await Promise.all([this.#writing, this.#server?.close()]);
  }

  #write(): void {
    this.#isStale = true;
    this.#writing ??= this.#writeWhileStale().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeWhileStale(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      const isLast = this.#isClosed;
      const isChanged = await this.#edit();
      if (isChanged && isLast) this.#undone = `the names of members are removed from ${this.#path}`;
    }
  }

  async #edit(): Promise<boolean> {
    const { interface: name, lockFolder } = this.#means;
    const network = this.#wanted;
    // Only known after the file was read: without a block there is nothing to remove.
    let isNeeded = network !== undefined;
    const change = (text: string): string => {
      const next = network === undefined ? withoutBlock(text, name) : withBlock(text, name, network);
      isNeeded ||= next !== text;
      return next;
    };
    try {
      const isChanged = await editHostsFile(this.#path, change, lockFolder);
      this.#tell(
        network === undefined || isNetworkNamed(network.network)
          ? undefined
          : `members of a network called ${network.network} get no names in ${this.#path}: names below ${network.network}.internal belong to others`,
      );
      return isChanged;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const what =
        network === undefined
          ? `names that are not true any more could not be taken out of ${this.#path}`
          : `members have no names here, only addresses, since ${this.#path} cannot be changed`;
      this.#tell(isNeeded ? `${what} (${why})` : undefined);
      return false;
    }
  }

  /** A warning is sent once. The trouble is shown until it is over. */
  #tell(trouble: string | undefined): void {
    if (trouble !== undefined && trouble !== this.#trouble) this.#means.onWarning(trouble);
    this.#trouble = trouble;
  }
}
